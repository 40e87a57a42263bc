// Rolls loops up again that a compiler unrolled.
//
//     store.u32 v0+0, 8                     jump b1(8)
//     jeq v1, 8, b9, b1              =>   b1(v2):
//   b1:                                     store.u32 v0+0, v2
//     store.u32 v0+0, 16                    jeq v1, v2, b9, b2
//     jeq v1, 16, b9, b2                  b2:
//   b2:                                     v3 = add v2, 8
//     ...                                   jne v3, 24, b1(v3), b3
//
// A copy is some whole blocks; ways out of it lead to the same places. What it uses of the one before goes
// round in parameters. Kernels take loops from 5.3 on. The verifier walks every trip and, of many trips,
// forgets the states of the first ones: if several ways lead through a copy, it walks those twice. With
// `trips`, several copies stay together there, and loops that would take more of its work stay as they are.

#include "bpf/contracts.h"
#include "bpf/insn.h"
#include "pass/pass.h"
#include "passes/roll.h"
#include "passes/tails.h"

namespace epass {
namespace {

class Judge {
 public:
  Judge(const Function& fn, Analyses& analyses, bool sparing)
      : fn_(fn),
        sparing_(sparing),
        cfg_(analyses.cfg()),
        users_(analyses.users()),
        memory_(analyses.memory()) {}

  bool takes(const Unrolled& loop) const { return pays(loop) && may_go_round(loop); }

 private:
  // Not with a tail call: the kernel jumps straight to the program only if its number is always the same.
  bool pays(const Unrolled& loop) const {
    int64_t records = 0;
    bool calls = false;
    for (size_t n = 0; n < loop.period; ++n) {
      for (Inst i : fn_.insts_of(loop.blocks[n])) {
        records += records_of(fn_, i);
        calls |= clobbers_registers(fn_.insts[i].op);
        if (fn_.insts[i].op == Opcode::CallHelper && fn_.insts[i].imm == bpf::kTailCall) return false;
      }
    }
    // The counter: made, counted, compared, and perhaps kept in memory.
    const auto added = int64_t(4 + loop.carried.size() + 2 * loop.progressions.size() + (calls ? 3 : 0));
    const int64_t saved = records * int64_t(loop.copies - 1);
    if (saved <= 2 * added || (calls && is_frame_full())) return false;
    if (!sparing_) return true;
    // What each trip has to do beside the work of the copy is to be a small part of it.
    auto each = int64_t(2 + loop.carried.size());
    for (const Progression& p : loop.progressions)
      each += fn_.insts[p.inst].imm != fn_.insts[loop.progressions[0].inst].imm;
    return records >= 13 * each && (!loop.has_joins || saved >= 64);
  }

  // Then nothing may go round in memory.
  bool is_frame_full() const { return fn_.slots.size() && fn_.slots[Slot{0}].place <= -bpf::kStackSize; }

  // The verifier takes only one kind of pointer at an instruction, and our own analyses know of an
  // address of the stack in a parameter only how low it may be.
  bool may_join(Value a, Value b) const {
    for (Value v : {a, b})
      if (fn_.is(v, Opcode::Undef) || fn_.is(v, Opcode::Symbol) ||
          memory_.pointee(v).region == Region::kStack)
        return false;
    return memory_.pointee(a).region == memory_.pointee(b).region;
  }

  bool may_go_round(const Unrolled& loop) const {
    for (const Carried& c : loop.carried)
      if (!may_join(c.initial, c.made)) return false;
    const auto params = fn_.params(loop.blocks[0]);
    for (Edge e : cfg_.incoming(loop.blocks[loop.period]))
      for (size_t n = 0; n < params.size(); ++n)
        if (!may_join(params[n], fn_.resolve(fn_.args(e)[n]))) return false;
    for (const Progression& p : loop.progressions) {
      if (p.step != loop.progressions[0].step) return false;
      for (Inst i : users_.of(fn_.insts[p.inst].result)) {
        const Value made = fn_.insts[i].result;
        if (made && memory_.pointee(made).region == Region::kStack) return false;
      }
    }
    return true;
  }

  const Function& fn_;
  bool sparing_;  // of the verifier's work
  const Cfg& cfg_;
  const Users& users_;
  const MemoryModel& memory_;
};

}  // namespace

Result<Changed> roll_loops(Function& fn, PassContext& context) {
  UnrolledSearch search;
  const bool sparing = context.options.contains("trips");
  if (sparing) {
    const auto trips = number_option(context, "roll-loops", "trips", 2, 2);
    if (!trips) return fail(trips.error());
    search.trips = *trips;
  }
  Changed changed = Changed::kNothing;
  for (int round = 0; round < 16; ++round) {
    const Judge judge(fn, context.analyses, sparing);
    search.accept = [&](const Unrolled& found) { return judge.takes(found); };
    const auto loop = find_unrolled(fn, context.analyses, search);
    if (!loop) break;
    roll(fn, context.analyses.cfg(), *loop);
    fn.compact_aliases();
    context.analyses.control_flow_changed();
    // A loop in a loop makes as many trips as both together.
    for (size_t n = 0; n < loop->period; ++n) search.barred.at(loop->blocks[n]) = 1;
    context.count("roll-loops.rolled");
    changed = Changed::kControlFlow;
  }
  return changed;
}

}  // namespace epass
