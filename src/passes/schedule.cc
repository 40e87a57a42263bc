// Computes and loads later in its block, so that fewer values are alive at once.
//
//     v1 = load.u32 v0+4                   v2 = call bpf_ktime_get_ns#5()
//     v2 = call bpf_ktime_get_ns#5()       store.u64 v0+8, v2
//     store.u64 v0+8, v2             =>    v1 = load.u32 v0+4
//     v3 = add v1, 1                       v3 = add v1, 1
//
// Only r6 to r9 keep a value over a call. An instruction goes down to the first that uses it, but not over
// what may write what it reads, and no further than what it reads lives anyway: just behind the last other
// use of an operand it may take over that register. With `over=calls`, only what comes past a call moves.

#include <algorithm>

#include "pass/pass.h"
#include "passes/motion.h"

namespace epass {
namespace {

class Scheduler {
 public:
  Scheduler(Function& fn, Analyses& analyses, bool over_calls)
      : fn_(fn),
        cfg_(analyses.cfg()),
        users_(analyses.users()),
        loops_(analyses.loops()),
        motion_(fn, analyses),
        over_calls_(over_calls) {}

  Changed run(PassContext& context) {
    Changed changed = Changed::kNothing;
    for (Block b : cfg_.rpo) {
      order_.clear();
      for (Inst i : fn_.insts_of(b)) order_.push_back(i);
      for (uint32_t n = 0; n < order_.size(); ++n) place_.at(order_[n]) = n, front_.at(order_[n]) = order_[n];
      // From below, so that what makes an operand comes after what uses it.
      for (uint32_t n = uint32_t(order_.size()); n-- > 0;) {
        const Inst i = order_[n];
        if (place_[i] != n || !motion_.is_movable(i)) continue;
        const uint32_t to = destination(i, context);
        if (!pays(n, to)) continue;
        move(i, to);
        context.count("schedule.moved");
        changed = Changed::kInstructions;
      }
    }
    return changed;
  }

 private:
  static constexpr uint32_t kFarthest = 256;  // instructions on the way
  static constexpr size_t kMostUsers = 256;   // of an operand: all that read it look at all of them

  // Whether `def` makes a constant that `i` shows as part of itself.
  bool is_part_of(Inst i, Inst def) const {
    const Value v = fn_.insts[def].result;
    return v && motion_.is_own_operand(v) && users_.of(v)[0] == i;
  }

  uint32_t last() const { return uint32_t(order_.size() - 1); }

  // The place in front of which `i` may stand at the latest.
  uint32_t destination(Inst i, const PassContext& context) const {
    const Block b = fn_.insts[i].block;
    const uint32_t from = place_[i];
    uint32_t to = std::min(last(), from + kFarthest);
    for (Inst u : users_.of(fn_.insts[i].result))
      if (u != i && fn_.insts[u].block == b && place_[u] > from) to = std::min(to, place_[u]);
    for (Value v : fn_.operands(i)) to = std::min(to, end_of_life(fn_.resolve(v), i));
    for (uint32_t n = from + 1; n < to; ++n) {
      if (!motion_.is_changed_by(i, order_[n])) continue;
      context.missed(fn_, i, "something on the way may write what it reads");
      to = n;
    }
    while (place_[order_[to]] != to) ++to;  // what moved away from there
    while (to > from + 1 && is_part_of(order_[to], order_[to - 1])) --to;
    return to;
  }

  // Up to where `v` lives if `i` does not count: a place in front of which `i` may read it at no cost.
  uint32_t end_of_life(Value v, Inst i) const {
    const Block b = fn_.insts[i].block;
    if (motion_.is_made_anew(v) || lives_on(v, b, i)) return last();
    uint32_t end = place_[i];
    if (users_.of(v).size() > kMostUsers) return end;
    for (Inst u : users_.of(v)) {
      if (u == i || fn_.insts[u].block != b || place_[u] < end) continue;
      // A call takes it from a register that it loses, arithmetic puts its result in its place.
      const bool keeps = place_[u] < last() && !clobbers_registers(fn_.insts[u].op) &&
                         (!is_arithmetic(fn_.insts[u].op) || fn_.operand(u, 0) != v);
      end = std::max(end, keeps && order_[place_[u]] == u ? place_[u] + 1 : place_[u]);
    }
    return end;
  }

  // Whether `v` lives at the end of the block.
  bool lives_on(Value v, Block b, Inst i) const {
    const Inst def = fn_.def(v);
    const uint32_t loop = loops_.innermost(b);
    const Block made = def ? fn_.insts[def].block : fn_.values[v].block;
    if (loop != Loops::kNone && !loops_.contains(loop, made)) return true;
    const Inst end = fn_.terminator(b);
    for (uint32_t n = 0; n < fn_.insts[end].edge_count; ++n)
      if (fn_.target(end, n) != made && motion_.lives_at(v, fn_.target(end, n), i)) return true;
    return false;
  }

  bool pays(uint32_t from, uint32_t to) const {
    bool found = false;
    for (uint32_t n = from + 1; n < to && !found; ++n)
      found = place_[order_[n]] == n && (over_calls_ ? clobbers_registers(fn_.insts[order_[n]].op)
                                                     : !is_constant(fn_.insts[order_[n]].op));
    return found;
  }

  // In front of all that went there already: those stood behind it.
  void move(Inst i, uint32_t to) {
    Inst first = i;
    for (size_t n = fn_.operands(i).size(); n-- > 0;) {
      if (!motion_.is_own_operand(fn_.operand(i, n))) continue;
      first = fn_.def(fn_.operand(i, n));
      place_.at(first) = to;
    }
    motion_.move(i, front_[order_[to]]);
    place_.at(i) = to;
    front_.at(order_[to]) = first;
  }

  Function& fn_;
  const Cfg& cfg_;
  const Users& users_;
  const Loops& loops_;
  Motion motion_;
  const bool over_calls_;
  std::vector<Inst> order_;  // of the block, as it was
  // In `order_`: its own place, or that of what it moved to stand in front of.
  SideTable<Inst, uint32_t> place_ = SideTable<Inst, uint32_t>(0);
  SideTable<Inst, Inst> front_;  // the first that moved to stand in front of it, or itself
};

}  // namespace

Result<Changed> schedule(Function& fn, PassContext& context) {
  const std::string over = context.option("over", "any");
  if (over != "any" && over != "calls")
    return fail("pass-option", "`over` of schedule is any or calls, not `" + over + "`");
  return Scheduler(fn, context.analyses, over == "calls").run(context);
}

}  // namespace epass
