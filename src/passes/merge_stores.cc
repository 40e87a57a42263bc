// Writes neighbours at once.
//
//     store.u32 s0+0, 0                             store.u64 s0+0, 0
//     store.u32 s0+4, 0                       =>
//
//     store.u8 v0+0, v1
//     v2 = lshr v1, 8
//     store.u8 v0+1, v2                       =>    store.u16 v0+0, v1
//
// So are bytes that were loaded next to each other. Stores wait for their neighbours as long as nothing can
// see or change those bytes; the wide one stands where the last of them was.

#include <algorithm>
#include <array>
#include <bit>

#include "ir/builder.h"
#include "pass/pass.h"
#include "passes/lookup_keys.h"
#include "passes/parted_stores.h"
#include "passes/wide_value.h"

namespace epass {
namespace {

struct Waiting {
  Inst store = {};
  Location at = {};
};

class Merger {
 public:
  Merger(Function& fn, PassContext& context)
      : fn_(fn), context_(context), cfg_(context.analyses.cfg()), memory_(context.analyses.memory()) {
    if (context.option("keys") != "yes") keys_ = find_keys(fn, cfg_, memory_);
  }

  Changed run() {
    for (Block b : cfg_.rpo) {
      for (Inst i = fn_.blocks[b].first, next; i; i = next) {
        next = fn_.next(i);
        visit(i);
      }
      release([](const Waiting&) { return true; });
    }
    for (uint32_t n = 0; n < merged_; ++n) context_.count("merge-stores.stores");
    return merged_ ? Changed::kInstructions : Changed::kNothing;
  }

 private:
  void visit(Inst i) {
    const InstData& d = fn_.insts[i];
    if (d.op != Opcode::Store || d.core != kNoCore) {
      return release([&](const Waiting& w) {
        const bool must = memory_.may_read(i, w.at) || memory_.may_write(i, w.at);
        if (must) parted_.part(w.store, w.at, i);
        return must;
      });
    }
    const Location at = memory_.location(i);
    parted_.meet(i, at);
    release([&](const Waiting& w) { return memory_.may_overlap(at, w.at); });
    if (waiting_.size() == kMaxWaiting) release([](const Waiting&) { return true; });
    const bool is_key = at.at.region == Region::kStack && !at.at.root && at.at.offset < 0 &&
                        d.size == MemSize::kU32 && keys_[size_t(-at.at.offset)];
    if (d.size != MemSize::kU64 && !is_key && at.at.region != Region::kUnknown &&
        at.at.region != Region::kContext)
      waiting_.push_back({i, at});
  }

  // Stores that cannot wait any longer, and their neighbours, are merged now.
  template <class Must>
  void release(Must must) {
    for (size_t k = 0; k < waiting_.size();) {
      if (!must(waiting_[k])) {
        ++k;
        continue;
      }
      const Value root = waiting_[k].at.at.root;
      const auto rest = std::stable_partition(waiting_.begin(), waiting_.end(),
                                              [&](const Waiting& w) { return w.at.at.root != root; });
      std::vector<Waiting> group(rest, waiting_.end());
      waiting_.erase(rest, waiting_.end());
      merge(group);
      k = 0;
    }
  }

  void merge(std::vector<Waiting>& group) {
    std::ranges::stable_sort(group, {}, [](const Waiting& w) { return w.at.at.offset; });
    for (size_t k = 0; k < group.size();) {
      size_t taken = 0;
      for (uint32_t bytes = 8; bytes >= 2 && !taken; bytes /= 2)
        taken = merge_window(std::span(group).subspan(k), bytes);
      k += std::max<size_t>(taken, 1);
    }
  }

  // Merges the first stores of `group` if they fill exactly `bytes` bytes; returns how many it took.
  size_t merge_window(std::span<const Waiting> group, uint32_t bytes) {
    size_t count = 0;
    uint32_t filled = 0;
    const int64_t begin = group[0].at.at.offset;
    while (count < group.size() && filled < bytes && group[count].at.at.offset == begin + filled)
      filled += group[count++].at.bytes;
    Location whole = group[0].at;
    whole.bytes = bytes;
    if (filled != bytes || count < 2) return 0;
    if (!allows_width(fn_, whole, alignment_))
      return context_.missed(fn_, group[0].store, kAlignment), size_t{0};
    std::array<ByteSource, 8> sources;
    Inst last = group[0].store;
    for (size_t k = 0, n = 0; k < count; ++k) {
      for (unsigned byte = 0; byte < group[k].at.bytes; ++byte)
        sources[n++] = byte_source(fn_, fn_.operand(group[k].store, 1), byte);
      if (order_[group[k].store] > order_[last]) last = group[k].store;
    }
    const int64_t offset = fn_.insts[last].offset + begin - memory_.location(last).at.offset;
    if (offset != int16_t(offset)) return 0;
    const Value v =
        WideValue{fn_, memory_, order_, alignment_}.make(std::span(sources).first(bytes), count, last);
    if (!v) return 0;
    constexpr MemSize kSizes[] = {MemSize::kU8, MemSize::kU16, MemSize::kU32, MemSize::kU64};
    Builder::before(fn_, last).store(kSizes[std::countr_zero(bytes)], fn_.operand(last, 0), int16_t(offset),
                                     v);
    for (const Waiting& w : group.first(count)) fn_.remove(w.store);
    ++merged_;
    return count;
  }

  static constexpr size_t kMaxWaiting = 64;
  static constexpr auto kAlignment = "a wide store may be refused there: its alignment is not known";

  Function& fn_;
  PassContext& context_;
  const Cfg& cfg_;
  const MemoryModel& memory_;
  const Alignment alignment_ = alignment_of(context_);
  SideTable<Inst, uint32_t> order_ = number_insts(fn_);
  std::bitset<bpf::kStackSize + 1> keys_;
  std::vector<Waiting> waiting_;
  PartedStores parted_{fn_, context_};
  uint32_t merged_ = 0;
};

}  // namespace

Result<Changed> merge_stores(Function& fn, PassContext& context) { return Merger(fn, context).run(); }

}  // namespace epass
