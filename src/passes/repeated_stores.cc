// Removes stores to the stack of constants that are there already.
//
//     store.u32 s0+12, 0                   store.u32 s0+12, 0
//     call bpf_map_lookup_elem#1(..)       call bpf_map_lookup_elem#1(..)
//     jeq v1, 0, b1, b2              =>    jeq v1, 0, b1, b2
//   b1:                                  b1:
//     store.u32 s0+12, 0                   call bpf_map_lookup_elem#1(..)
//     call bpf_map_lookup_elem#1(..)
//
// as where one key after the other is looked up. Looks along blocks with one way in.

#include "analysis/analyses.h"
#include "analysis/byte_source.h"
#include "pass/pass.h"

namespace epass {
namespace {

struct Stored {
  Location at = {};
  Value value = {};
};
using Known = std::vector<Stored>;

class RepeatedStores {
 public:
  RepeatedStores(Function& fn, Analyses& analyses)
      : fn_(fn), cfg_(analyses.cfg()), memory_(analyses.memory()), known_(cfg_.rpo.size()) {}

  Changed run(PassContext& context) {
    Changed changed = Changed::kNothing;
    for (Block b : cfg_.rpo) {
      const auto incoming = cfg_.incoming(b);
      Known known;
      if (incoming.size() == 1 && b != fn_.entry()) known = known_[cfg_.number(cfg_.source(incoming[0]))];
      for (Inst i = fn_.blocks[b].first, next; i; i = next) {
        next = fn_.next(i);
        if (!(info(fn_.insts[i].op).effects & kWrites)) continue;
        if (is_repeated(i, known)) {
          fn_.remove(i);
          context.count("repeated-stores.removed");
          changed = Changed::kInstructions;
          continue;
        }
        std::erase_if(known, [&](const Stored& s) { return memory_.may_write(i, s.at); });
        if (!is_own(i)) continue;
        if (known.size() == kMostKnown) known.erase(known.begin());
        known.push_back({memory_.location(i), fn_.operand(i, 1)});
      }
      known_[cfg_.number(b)] = std::move(known);
    }
    return changed;
  }

 private:
  static constexpr size_t kMostKnown = 64;

  // Stores to known places of the function's own stack.
  bool is_own(Inst i) const {
    if (fn_.insts[i].op != Opcode::Store || fn_.insts[i].core != kNoCore) return false;
    const Pointee at = memory_.location(i).at;
    return at.region == Region::kStack && !at.root;
  }

  bool is_repeated(Inst i, const Known& known) const {
    if (!is_own(i)) return false;
    const Location at = memory_.location(i);
    for (uint32_t n = 0; n < at.bytes; ++n) {
      // What else is stored again may have been checked in between: the verifier would not know.
      const ByteSource byte = byte_source(fn_, fn_.operand(i, 1), n);
      if (byte.kind != ByteSource::Kind::kConstant || !has_byte(known, at.at.offset + n, byte)) return false;
    }
    return true;
  }

  bool has_byte(const Known& known, int64_t at, const ByteSource& byte) const {
    for (const Stored& s : known)
      if (s.at.at.offset <= at && at < s.at.end())
        return byte_source(fn_, s.value, unsigned(at - s.at.at.offset)) == byte;
    return false;
  }

  Function& fn_;
  const Cfg& cfg_;
  const MemoryModel& memory_;
  std::vector<Known> known_;  // at the end of each block, in reverse post-order
};

}  // namespace

Result<Changed> repeated_stores(Function& fn, PassContext& context) {
  return RepeatedStores(fn, context.analyses).run(context);
}

}  // namespace epass
