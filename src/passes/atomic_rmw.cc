// Adds to a map's value in one instruction.
//
//     v1 = load.u64 v0+8
//     v2 = add v1, v3              =>      atomic_add.u64 v0+8, v3
//     store.u64 v0+8, v2
//
// Shorter, but slower to run on most processors, and no longer the race it was: only when asked for.

#include "ir/builder.h"
#include "pass/pass.h"

namespace epass {
namespace {

class Finder {
 public:
  Finder(Function& fn, Analyses& analyses) : fn_(fn), users_(analyses.users()), memory_(analyses.memory()) {}

  Changed run(PassContext& context) {
    Changed changed = Changed::kNothing;
    for (Inst i : fn_.all_insts()) {
      if (!rewrite(i)) continue;
      context.count("atomic-rmw.additions");
      changed = Changed::kInstructions;
    }
    return changed;
  }

 private:
  bool only_user(Value v, Inst user) const {
    const auto users = users_.of(v);
    return users.size() == 1 && users[0] == user;
  }

  bool rewrite(Inst store) {
    const InstData& d = fn_.insts[store];
    if (d.op != Opcode::Store || d.core != kNoCore || (d.size != MemSize::kU32 && d.size != MemSize::kU64))
      return false;
    const Location at = memory_.location(store);
    const Inst add = fn_.def(fn_.operand(store, 1));
    if (!is_aligned(at) || !add || fn_.insts[add].op != Opcode::Add) return false;
    if (d.size == MemSize::kU64 && fn_.insts[add].width != Width::k64) return false;
    for (size_t n = 0; n < 2; ++n) {
      const Value loaded = fn_.operand(add, n);
      const Inst load = fn_.def(loaded);
      if (!load || fn_.insts[load].op != Opcode::Load || fn_.insts[load].size != d.size) continue;
      if (memory_.location(load) != at || fn_.insts[load].block != d.block || fn_.insts[load].core != kNoCore)
        continue;
      if (!only_user(loaded, add) || !only_user(fn_.insts[add].result, store) || !quiet(load, store, at))
        continue;
      const Value operands[] = {fn_.operand(store, 0), fn_.operand(add, 1 - n)};
      fn_.insert_before(
          store, {.op = Opcode::AtomicAdd, .size = d.size, .offset = d.offset, .origin = d.origin}, operands);
      fn_.remove(store);
      return true;
    }
    return false;
  }

  // Atomic accesses must be aligned on every machine. What a helper gives begins at a multiple of eight.
  bool is_aligned(const Location& at) const {
    const Inst root = at.at.root ? fn_.def(at.at.root) : Inst{};
    return at.at.region == Region::kMapValue && root && fn_.insts[root].op == Opcode::CallHelper &&
           at.at.offset % at.bytes == 0;
  }

  // Whether nothing between them can see or change those bytes.
  bool quiet(Inst load, Inst store, const Location& at) const {
    for (Inst i = fn_.next(load); i != store; i = fn_.next(i))
      if (!i || memory_.may_write(i, at) || (info(fn_.insts[i].op).effects & kMayExit)) return false;
    return true;
  }

  Function& fn_;
  const Users& users_;
  const MemoryModel& memory_;
};

}  // namespace

Result<Changed> atomic_rmw(Function& fn, PassContext& context) {
  return Finder(fn, context.analyses).run(context);
}

}  // namespace epass
