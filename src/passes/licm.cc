// Computes and loads before a loop what is the same in each trip.
//
//   b1(v2):                                v3 = load.u32 v0+0
//     v3 = load.u32 v0+0                   jump b1(v1)
//     v4 = add v2, v3              =>    b1(v2):
//     jne v4, 9, b1(v4), b2                v4 = add v2, v3
//                                          jne v4, 9, b1(v4), b2
//
// Only what every trip comes to before it can leave the loop: what is in front of the loop then would have
// run there anyway, with no test in between that its pointers need. Nothing in the loop may write what is
// loaded. Each result has a register for the whole loop, so only as many as there is room for.

#include <algorithm>
#include <utility>

#include "pass/pass.h"
#include "passes/motion.h"

namespace epass {
namespace {

class Hoister {
 public:
  Hoister(Function& fn, Analyses& analyses)
      : fn_(fn),
        cfg_(analyses.cfg()),
        dominators_(analyses.dominators()),
        loops_(analyses.loops()),
        motion_(fn, analyses),
        blocks_(loops_.all.size()) {
    // What is around a loop that is too large is too large, too.
    for (Block b : cfg_.rpo) {
      uint32_t l = loops_.innermost(b);
      for (; l != Loops::kNone && blocks_[l].size() <= kMostBlocks; l = loops_.all[l].parent)
        blocks_[l].push_back(b);
    }
  }

  Changed run(PassContext& context) {
    Changed changed = Changed::kNothing;
    for (uint32_t l = uint32_t(blocks_.size()); l-- > 0 && changed != Changed::kControlFlow;)
      if (blocks_[l].size() <= kMostBlocks) changed |= visit(l, context);
    return changed;
  }

 private:
  static constexpr size_t kMostBlocks = 64, kMostWrites = 64;

  // The only edge into the loop, or none.
  Edge way_in(uint32_t l) const {
    Edge found = {};
    int count = 0;
    for (Edge e : cfg_.incoming(loops_.all[l].header))
      if (!loops_.contains(l, cfg_.source(e))) found = e, ++count;
    return count == 1 ? found : Edge{};
  }

  bool is_inside(uint32_t l, Value v) const {
    const Inst def = fn_.def(v);
    return loops_.contains(l, def ? fn_.insts[def].block : fn_.values[fn_.resolve(v)].block);
  }

  // Values that the loop keeps in registers from before it: its parameters, and what it reads.
  size_t kept(uint32_t l) const {
    std::vector<Value> found(fn_.params(loops_.all[l].header).begin(),
                             fn_.params(loops_.all[l].header).end());
    auto see = [&](Value v) {
      if (is_inside(l, v) || motion_.is_made_anew(v) || found.size() >= 16) return;
      if (std::ranges::find(found, v) == found.end()) found.push_back(v);
    };
    for (Block b : blocks_[l]) {
      for (Inst i : fn_.insts_of(b)) std::ranges::for_each(fn_.operands(i), see);
      const Inst end = fn_.terminator(b);
      for (uint32_t n = 0; n < fn_.insts[end].edge_count; ++n)
        std::ranges::for_each(fn_.args(fn_.edge(end, n)), see);
    }
    return found.size();
  }

  Changed visit(uint32_t l, PassContext& context) {
    const Edge in = way_in(l);
    if (!in) return Changed::kNothing;
    Inst before = fn_.terminator(cfg_.source(in));
    if (fn_.insts[before].op != Opcode::Jump && !is_conditional(fn_.insts[before].op))
      return Changed::kNothing;
    std::vector<Inst> writes;
    std::vector<Block> ends;  // where a trip, or the loop, may end
    for (Block b : blocks_[l]) {
      for (Inst i : fn_.insts_of(b))
        if (info(fn_.insts[i].op).effects & (kWrites | kMayExit)) writes.push_back(i);
      const Inst end = fn_.terminator(b);
      bool leaves = false;
      for (uint32_t n = 0; n < fn_.insts[end].edge_count; ++n)
        leaves |= fn_.target(end, n) == loops_.all[l].header || !loops_.contains(l, fn_.target(end, n));
      if (leaves) ends.push_back(b);
    }
    if (writes.size() > kMostWrites) return Changed::kNothing;
    const size_t room = loops_.all[l].has_calls ? 3 : 7;
    size_t taken = kept(l);
    Changed changed = Changed::kNothing;
    for (Block b : blocks_[l]) {
      if (!std::ranges::all_of(ends, [&](Block end) { return dominators_.dominates(b, end); })) continue;
      for (Inst i = fn_.blocks[b].first, next; i; i = next) {
        next = fn_.next(i);
        if (!motion_.is_movable(i) || !is_invariant(l, i)) continue;
        if (std::ranges::any_of(writes, [&](Inst w) { return motion_.is_changed_by(i, w); })) {
          context.missed(fn_, i, "the loop may write what it reads");
        } else if (taken >= room) {
          context.missed(fn_, i, "the loop has no register for it");
        } else {
          if (fn_.insts[before].op != Opcode::Jump) {
            before = fn_.terminator(fn_.split_edge(in, cfg_.source(in)));
            changed = Changed::kControlFlow;
          }
          motion_.move(i, before);
          context.count("licm.hoisted"), ++taken;
          changed |= Changed::kInstructions;
        }
      }
    }
    return changed;
  }

  bool is_invariant(uint32_t l, Inst i) const {
    for (size_t n = 0; n < fn_.operands(i).size(); ++n)
      if (const Value v = fn_.operand(i, n); is_inside(l, v) && !motion_.is_own_operand(v)) return false;
    return true;
  }

  Function& fn_;
  const Cfg& cfg_;
  const Dominators& dominators_;
  const Loops& loops_;
  Motion motion_;
  std::vector<std::vector<Block>> blocks_;  // of each loop, one more than kMostBlocks if there are more
};

}  // namespace

Result<Changed> licm(Function& fn, PassContext& context) {
  Changed changed = Hoister(fn, context.analyses).run(context);
  // A new block in front of a loop may be in one around it: look again, but not for ever.
  for (auto [now, round] = std::pair(changed, 0); now == Changed::kControlFlow && round < 16; ++round) {
    context.analyses.control_flow_changed();
    now = Hoister(fn, context.analyses).run(context);
  }
  return changed;
}

}  // namespace epass
