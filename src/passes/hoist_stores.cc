// Stores a chosen constant on the way to the place where the ways meet.
//
//     jne v0, 0, b2(1), b1                  store.u32 s0+4, 1
//   b1:                                     jne v0, 0, b2, b1
//     jump b2(0)                      =>  b1:
//   b2(v1):                                 store.u32 s0+4, 0
//     store.u32 s0+4, v1                    jump b2
//                                         b2:
//
// Two moves and a store become two stores. Only to the stack: the first of the two is undone by the second.

#include "ir/builder.h"
#include "pass/pass.h"

namespace epass {
namespace {

class Hoister {
 public:
  Hoister(Function& fn, Analyses& analyses)
      : fn_(fn), cfg_(analyses.cfg()), users_(analyses.users()), memory_(analyses.memory()) {}

  Changed run(PassContext& context) {
    Changed changed = Changed::kNothing;
    for (Block b : cfg_.rpo) {
      if (!visit(b)) continue;
      context.count("hoist-stores.stores");
      changed = Changed::kInstructions;
    }
    return changed;
  }

 private:
  // Whether a constant is as good in a store as in a register.
  bool is_short(Value v) const {
    const auto c = fn_.constant(v, Width::k64);
    return c && *c == uint64_t(int64_t{int32_t(*c)});
  }

  bool touches(Inst i, const Location& at) const {
    return memory_.may_read(i, at) || memory_.may_write(i, at);
  }

  // The store to the stack that `b` begins with, of a parameter that nothing else reads.
  Inst first_store(Block b) const {
    for (Inst i = fn_.blocks[b].first; i; i = fn_.next(i)) {
      const InstData& d = fn_.insts[i];
      if (d.op == Opcode::Store) {
        const Value stored = fn_.source(fn_.operand(i, 1));
        const Inst base = fn_.def(fn_.source(fn_.operand(i, 0)));
        const bool is_ours = base && fn_.insts[base].op == Opcode::SlotAddr && d.core == kNoCore &&
                             users_.of(stored).size() == 1;
        return is_ours ? i : Inst{};
      }
      if (!is_constant(d.op)) return {};
    }
    return {};
  }

  bool visit(Block meeting) {
    const auto incoming = cfg_.incoming(meeting);
    if (incoming.size() != 2) return false;
    for (size_t n = 0; n < 2; ++n)
      if (hoist(meeting, incoming[n], incoming[1 - n])) return true;
    return false;
  }

  // `early` comes from where the ways part, `late` from the block that only the other way passes.
  bool hoist(Block meeting, Edge early, Edge late) {
    const Block parting = cfg_.source(early), side = cfg_.source(late);
    const Inst test = fn_.terminator(parting), jump = fn_.terminator(side);
    if (!is_conditional(fn_.insts[test].op) || fn_.insts[jump].op != Opcode::Jump) return false;
    const auto into_side = cfg_.incoming(side);
    if (into_side.size() != 1 || cfg_.source(into_side[0]) != parting) return false;
    const Inst store = first_store(meeting);
    if (!store) return false;
    const auto params = fn_.params(meeting);
    const auto which = std::ranges::find(params, fn_.source(fn_.operand(store, 1)));
    if (which == params.end()) return false;
    const auto n = uint32_t(which - params.begin());
    const Value first = fn_.args(early)[n], second = fn_.args(late)[n];
    if (!is_short(first) || !is_short(second)) return false;
    const Location at = memory_.location(store);
    for (Inst i = fn_.blocks[side].first; i != jump; i = fn_.next(i))
      if (touches(i, at)) return false;
    copy_store(store, test, first);
    copy_store(store, jump, second);
    fn_.remove(store);
    fn_.remove_param(meeting, n, cfg_.incoming(meeting));
    return true;
  }

  void copy_store(Inst store, Inst before, Value v) {
    const InstData d = fn_.insts[store];
    const InstData base = fn_.insts[fn_.def(fn_.source(fn_.operand(store, 0)))];
    const auto constant = int64_t(*fn_.constant(v, Width::k64));
    auto build = Builder::before(fn_, before);
    const Value address =
        build.value({.op = Opcode::SlotAddr, .imm = base.imm, .origin = d.origin, .slot = base.slot});
    const Value stored = build.value({.op = Opcode::Const, .imm = constant, .origin = d.origin});
    build.insert({.op = Opcode::Store, .size = d.size, .offset = d.offset, .origin = d.origin},
                 {address, stored});
  }

  Function& fn_;
  const Cfg& cfg_;
  const Users& users_;
  const MemoryModel& memory_;
};

}  // namespace

Result<Changed> hoist_stores(Function& fn, PassContext& context) {
  return Hoister(fn, context.analyses).run(context);
}

}  // namespace epass
