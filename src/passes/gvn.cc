// Uses again what is computed or loaded already on the ways to where they meet.
//
//   b1:                                    b1:
//     v1 = load.u32 v0+0                     v1 = load.u32 v0+0
//     jump b3                                jump b3(v1)
//   b2:                                    b2:
//     jump b3                       =>       v3 = load.u32 v0+0
//   b3:                                      jump b3(v3)
//     v2 = load.u32 v0+0                   b3(v2):
//
// In terms of parameters, too: `add v4, 1` is `add v1, 1` where v4 gets v1. Of parameters that always get
// equal values one stays. Like early-cse it keeps nothing across calls. A value that one way lacks is made
// there (insert=yes) if that way leads nowhere else, so that it would have run anyway, on the same facts, and
// if the others need no move for theirs. Code gets smaller, but the verifier's work more: only -O3 tries it.

#include "analysis/congruence.h"
#include "ir/edit.h"
#include "pass/pass.h"
#include "passes/at_hand.h"
#include "passes/join_params.h"
#include "passes/over_edge.h"

namespace epass {
namespace {

class Gvn {
 public:
  Gvn(Function& fn, PassContext& context) : fn_(fn), context_(context), at_end_(cfg_.rpo.size()) {}

  Changed run() {
    for (Value one : join_params(fn_, cfg_, same_)) {
      kept_longer_.at(one) = 1;
      done("gvn.params");
    }
    for (Block b : cfg_.rpo) {
      AtHand now = meet(fn_, cfg_, at_end_, b);
      has_call_ = false;
      for (Inst i = fn_.blocks[b].first, next; i; i = next) next = fn_.next(i), visit(i, b, now);
      at_end_[cfg_.number(b)] = std::move(now);
    }
    return changed_ ? Changed::kInstructions : Changed::kNothing;
  }

 private:
  void visit(Inst i, Block b, AtHand& now) {
    const InstData& d = fn_.insts[i];
    if (clobbers_registers(d.op)) {
      now = {};
      has_call_ = true;
    } else if (d.op == Opcode::Load && d.core == kNoCore) {
      const Location at = memory_.location(i);
      if (const Value v = find(fn_, now, at, d.size)) return use(i, v, "gvn.loaded");
      const Value v = over_merge(i, b);
      now.memory.remember({at, v ? v : d.result, d.size, false});
    } else if (info(d.op).effects & kWrites) {
      now.memory.forget_written(memory_, i);
      const Location at = d.op == Opcode::Store && d.core == kNoCore ? memory_.location(i) : Location{};
      if (d.size == MemSize::kU64 && at.at.region != Region::kUnknown && at.at.region != Region::kContext)
        now.memory.remember({at, fn_.operand(i, 1), d.size, true});
    } else if (const uint32_t number = is_arithmetic(d.op) ? same_.number(d.result) : 0) {
      if (const auto it = now.values.find(number); it != now.values.end())
        return use(i, fn_.resolve(it->second), "gvn.computed");
      const Value v = over_merge(i, b);
      if (now.values.size() < KnownMemory::kMost) now.values.emplace(number, v ? v : d.result);
    }
  }

  Value over_merge(Inst i, Block b);
  bool stays(Value v, Block b) const;

  void use(Inst i, Value v, std::string_view what) {
    replace_keeping_slot(fn_, i, v);
    kept_longer_.at(v) = 1;
    done(what);
  }
  void done(std::string_view what) { context_.count(what), changed_ = true; }
  Function& fn_;
  PassContext& context_;
  const Cfg& cfg_ = context_.analyses.cfg();
  const Users& users_ = context_.analyses.users();
  const MemoryModel& memory_ = context_.analyses.memory();
  const Congruence same_{fn_, cfg_};
  std::vector<AtHand> at_end_;  // of each block, in reverse post-order
  SideTable<Value, uint8_t> kept_longer_ = SideTable<Value, uint8_t>(0);
  const bool may_insert_ = context_.option("insert", "yes") == "yes";
  bool has_call_ = false;  // the block so far
  bool changed_ = false;
};

// Whether `v` is needed behind the way into `b`, as a parameter, too, or made only there: that takes a move.
bool Gvn::stays(Value v, Block b) const {
  const Inst def = fn_.def(v);
  if (kept_longer_[v] || (def && fn_.insts[def].operand_count == 0)) return true;
  return std::ranges::any_of(users_.of(v), [&](Inst user) {
    return fn_.insts[user].op == Opcode::Jump || cfg_.number(fn_.insts[user].block) >= cfg_.number(b);
  });
}

// The value of `i` as a parameter of its block; none if too few of the ways there have it.
Value Gvn::over_merge(Inst i, Block b) {
  const auto incoming = cfg_.incoming(b);
  if (incoming.size() < 2 || b == fn_.entry() || has_call_ || is_entered_again(cfg_, b)) return {};
  if (fn_.insts[i].op == Opcode::Load && !is_as_at_begin(fn_, memory_, i)) return {};
  std::vector<Value> found;
  Home home;
  size_t missing = 0, moves = 0;
  for (Edge e : incoming) {
    const Block from = cfg_.source(e);
    const Opcode op = fn_.insts[fn_.terminator(from)].op;
    const Value v = find_over_edge(fn_, memory_, same_, at_end_[cfg_.number(from)], i, e);
    if (op != Opcode::Jump && (!v || !is_conditional(op))) return {};
    if (v && !home) home = fn_.home(v);
    moves += v && (stays(v, b) || fn_.home(v) != home);
    missing += !v;
    found.push_back(v);
  }
  if (found[0] && std::ranges::count(found, found[0]) == std::ssize(found))
    return use(i, found[0], "gvn.computed"), found[0];
  // In another register than the result had, it would take a move sooner or later.
  if (fn_.home(fn_.insts[i].result) != home || home.is_stack()) return {};
  if (missing == 0 ? moves > 1 : missing > 1 || moves > 0 || !may_insert_ || !is_movable(fn_, i)) return {};
  for (size_t n = 0; n < found.size(); ++n) {
    if (found[n]) continue;
    const Edge e = incoming[n];
    found[n] = make_over_edge(fn_, i, e, fn_.terminator(cfg_.source(e)), home);
  }
  const Value param = fn_.add_param(b, home);
  for (size_t n = 0; n < found.size(); ++n) {
    fn_.add_arg(incoming[n], found[n]);
    kept_longer_.at(found[n]) = 1;
  }
  use(i, param, missing ? "gvn.inserted" : "gvn.merged");
  return param;
}

}  // namespace

Result<Changed> gvn(Function& fn, PassContext& context) {
  const Changed dead = drop_unreachable(fn, context);
  return dead | Gvn(fn, context).run();
}

}  // namespace epass
