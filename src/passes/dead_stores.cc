// Removes stores to the function's own stack that nothing reads.
//
//     store.u64 s0+0, v1        (nothing)
//     store.u64 s0+0, v2   =>   store.u64 s0+0, v2
//     v3 = load.u64 s0+0        v3 = load.u64 s0+0
//
// Which bytes are read later is followed backwards through the function. Whatever a callee gets the address
// of, and everything above it, counts as read by it; where an address could not be followed, nothing is done.

#include <bitset>

#include "bpf/insn.h"
#include "pass/pass.h"

namespace epass {
namespace {

using Bytes = std::bitset<bpf::kStackSize>;  // bit n: the byte at fp-512+n

class DeadStores {
 public:
  DeadStores(Function& fn, Analyses& analyses) : fn_(fn), cfg_(analyses.cfg()), memory_(analyses.memory()) {}

  Changed run(PassContext& context) {
    const Inst store = first_store();
    if (!store) return Changed::kNothing;
    if (!memory_.stack().complete()) {
      context.missed(fn_, store, "an address of the stack goes where it cannot be followed");
      return Changed::kNothing;
    }
    for (int n = 0; n < bpf::kStackSize; ++n)
      if (memory_.stack().escapes(n - bpf::kStackSize, 1)) escaped_.set(size_t(n));
    read_at_begin_.resize(cfg_.rpo.size());
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t k = cfg_.rpo.size(); k-- > 0;) {
        Bytes read = read_at_end(cfg_.rpo[k]);
        for (Inst i = fn_.blocks[cfg_.rpo[k]].last; i; i = fn_.insts[i].prev) step(i, read);
        changed |= read != read_at_begin_[k];
        read_at_begin_[k] = read;
      }
    }
    Changed changed = Changed::kNothing;
    for (Block b : cfg_.rpo) {
      Bytes read = read_at_end(b);
      for (Inst i = fn_.blocks[b].last, before; i; i = before) {
        before = fn_.insts[i].prev;
        if (is_dead(i, read)) {
          fn_.remove(i);
          context.count("dead-stores.stores");
          changed = Changed::kInstructions;
        } else {
          if (context.remarks && gives_away(i))
            context.missed(fn_, i, "a callee gets an address that leads there");
          step(i, read);
        }
      }
    }
    return changed;
  }

 private:
  // The first to the stack, none if there is none.
  Inst first_store() const {
    for (Block b : cfg_.rpo)
      for (Inst i : fn_.insts_of(b))
        if (fn_.insts[i].op == Opcode::Store && own(i)) return i;
    return {};
  }

  bool gives_away(Inst i) const {
    if (fn_.insts[i].op != Opcode::Store || !own(i)) return false;
    const Location at = memory_.location(i);
    return memory_.stack().escapes(int(at.at.offset), int(at.bytes));
  }

  Bytes read_at_end(Block b) const {
    Bytes read;
    const Inst end = fn_.terminator(b);
    for (uint32_t n = 0; n < fn_.insts[end].edge_count; ++n)
      read |= read_at_begin_[cfg_.number(fn_.target(end, n))];
    return read;
  }

  // The bytes that a load or store touches, if they are known to be the function's own.
  std::optional<Bytes> own(Inst i) const {
    const InstData& d = fn_.insts[i];
    if (d.core != kNoCore) return {};
    const Location at = memory_.location(i);
    const int64_t from = at.at.offset + bpf::kStackSize;
    if (at.at.region != Region::kStack || at.at.root || from < 0 || from + at.bytes > bpf::kStackSize)
      return {};
    Bytes bytes;
    for (uint32_t n = 0; n < at.bytes; ++n) bytes.set(size_t(from) + n);
    return bytes;
  }

  bool is_dead(Inst i, const Bytes& read) const {
    if (fn_.insts[i].op != Opcode::Store) return false;
    const auto bytes = own(i);
    return bytes && (*bytes & read).none();
  }

  // From what is read after `i` to what is read before it.
  void step(Inst i, Bytes& read) const {
    const InstData& d = fn_.insts[i];
    if (!(info(d.op).effects & (kReads | kWrites))) return;
    if (!is_call(d.op) && (info(d.op).fields & kSize) && d.op != Opcode::LdAbs && d.op != Opcode::LdInd) {
      if (const auto bytes = own(i)) {
        if (d.op == Opcode::Store)
          read &= ~*bytes;
        else
          read |= *bytes;
        return;
      }
      if (d.op == Opcode::Store) return;
    }
    read |= escaped_;
  }

  Function& fn_;
  const Cfg& cfg_;
  const MemoryModel& memory_;
  Bytes escaped_;                     // what callees may read
  std::vector<Bytes> read_at_begin_;  // in reverse post-order
};

}  // namespace

Result<Changed> dead_stores(Function& fn, PassContext& context) {
  return DeadStores(fn, context.analyses).run(context);
}

}  // namespace epass
