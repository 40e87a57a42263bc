// Computes what is constant, on the paths that can be taken (sparse conditional constant propagation: Wegman,
// Zadeck).
//
//     v1 = const 3                           v1 = const 3
//     v2 = mul.32 v1, 5             =>       v2 = const 15
//     jgt v2, 10, b1, b2                     jump b1
//
// Facts flow over block parameters from edges that can be taken only. CO-RE constants are unknown, and so is
// `undef`. A constant that would take two records (ld_imm64) does not replace an instruction that takes one.

#include "ir/edit.h"
#include "ir/eval.h"
#include "pass/pass.h"

namespace epass {
namespace {

struct Fact {
  enum Kind : uint8_t { kUnseen, kConstant, kVaries } kind = kUnseen;
  uint64_t value = 0;
};

class Solver {
 public:
  Solver(Function& fn, const Users& users)
      : fn_(fn), facts_(fn.values.size(), Fact{}), visited_(fn.insts.size(), 0), users_(users) {}

  // Whether anything may follow from the constants that there are: an instruction of nothing else, or a
  // parameter that always gets the same one, parameters left aside.
  static bool has_something(const Function& fn, const Cfg& cfg) {
    const auto constant = [&](Value v) {
      const Inst i = fn.def(v);
      const bool is_known = i && fn.insts[i].op == Opcode::Const && fn.insts[i].core == kNoCore;
      return is_known ? std::optional(fn.insts[i].imm) : std::nullopt;
    };
    const auto may_be_constant = [&](Block b, uint32_t n) {
      std::optional<int64_t> all;
      for (Edge e : cfg.incoming(b)) {
        const Value v = fn.args(e)[n];
        const auto c = constant(v);
        if (c ? all.value_or(*c) != *c : bool(fn.def(v))) return false;
        if (c) all = c;
      }
      return all.has_value();
    };
    for (Block b : fn.all_blocks()) {
      for (uint32_t n = 0; n < fn.params(b).size(); ++n)
        if (may_be_constant(b, n)) return true;
      for (Inst i : fn.insts_of(b)) {
        const InstData& d = fn.insts[i];
        if (!is_arithmetic(d.op) && d.op != Opcode::Copy && !is_conditional(d.op)) continue;
        if (constant(fn.operand(i, 0)) && (d.operand_count == 1 || constant(fn.operand(i, 1)))) return true;
      }
    }
    return false;
  }

  void run() {
    for (Value v : fn_.params(fn_.entry())) lower(v, {Fact::kVaries});
    enter(fn_.entry());
    while (!blocks_.empty() || !insts_.empty()) {
      if (!blocks_.empty()) {
        Block b = blocks_.back();
        blocks_.pop_back();
        for (Inst i : fn_.insts_of(b)) visit(i);
      } else {
        Inst i = insts_.back();
        insts_.pop_back();
        visit(i);
      }
    }
  }

  Changed rewrite(PassContext& context) {
    Changed changed = Changed::kNothing;
    for (Block b : fn_.all_blocks()) {
      if (!reached_[b]) continue;
      for (Value p : fn_.params(b)) {
        Fact f = facts_[p];
        if (f.kind != Fact::kConstant || !fits(f.value) || fn_.resolve(p) != p) continue;
        Inst at = fn_.blocks[b].first;
        InstData c{.op = Opcode::Const, .imm = int64_t(f.value), .origin = fn_.insts[at].origin};
        Value v = fn_.insts[fn_.insert_before(at, c, {}, fn_.home(p))].result;
        facts_.at(v) = f;
        fn_.replace(p, v);
        context.count("const-prop.parameters");
        changed |= Changed::kInstructions;
      }
      for (Inst i : fn_.insts_of(b)) changed |= rewrite(i, context);
    }
    return changed;
  }

 private:
  static bool fits(uint64_t v) { return int64_t(v) == int32_t(v) || v == uint32_t(v); }

  void enter(Block b) {
    if (reached_[b]) return;
    reached_.at(b) = 1;
    blocks_.push_back(b);
  }

  Fact fact(Value v) const { return facts_[fn_.resolve(v)]; }
  void lower(Value v, Fact to) {
    Fact& f = facts_.at(v);
    if (f.kind == Fact::kVaries || to.kind == Fact::kUnseen) return;
    if (f.kind == Fact::kConstant && to.kind == Fact::kConstant && f.value == to.value) return;
    f = f.kind == Fact::kUnseen ? to : Fact{Fact::kVaries};
    // Who has not been visited is in a block still to come, or further down in the present one.
    for (Inst user : users_.of(v))
      if (visited_[user]) insts_.push_back(user);
  }

  void take(Inst i, uint32_t n) {
    Edge e = fn_.edge(i, n);
    Block to = fn_.edges[e].to;
    auto params = fn_.params(to);
    auto args = fn_.args(e);
    for (size_t k = 0; k < params.size(); ++k) lower(params[k], fact(args[k]));
    enter(to);
  }

  void visit(Inst i) {
    const InstData& d = fn_.insts[i];
    visited_.at(i) = 1;
    if (d.result) lower(d.result, evaluate(i));
    if (is_conditional(d.op)) {
      Fact x = fact(fn_.operand(i, 0)), y = fact(fn_.operand(i, 1));
      if (x.kind == Fact::kUnseen || y.kind == Fact::kUnseen) return;
      if (x.kind == Fact::kConstant && y.kind == Fact::kConstant)
        return take(i, eval_condition(d.op, d.width, x.value, y.value) ? 0 : 1);
    }
    for (uint32_t n = 0; n < d.edge_count; ++n) take(i, n);
  }

  Fact evaluate(Inst i) const {
    const InstData& d = fn_.insts[i];
    if (d.op == Opcode::Const)
      return d.core == kNoCore ? Fact{Fact::kConstant, uint64_t(d.imm)} : Fact{Fact::kVaries};
    bool unary = d.op == Opcode::Copy || is_unary(d.op);
    if (!unary && !is_binary(d.op)) return {Fact::kVaries};
    Fact x = fact(fn_.operand(i, 0)), y = unary ? x : fact(fn_.operand(i, 1));
    if (x.kind == Fact::kVaries || y.kind == Fact::kVaries) return {Fact::kVaries};
    if (x.kind == Fact::kUnseen || y.kind == Fact::kUnseen) return {};
    return {Fact::kConstant,
            unary ? eval_unary(d.op, d.width, x.value) : eval_binary(d.op, d.width, x.value, y.value)};
  }

  Changed rewrite(Inst i, PassContext& context) {
    const InstData& d = fn_.insts[i];
    if (is_conditional(d.op)) {
      Fact x = fact(fn_.operand(i, 0)), y = fact(fn_.operand(i, 1));
      if (x.kind != Fact::kConstant || y.kind != Fact::kConstant) return Changed::kNothing;
      keep_only_edge(fn_, d.block, eval_condition(d.op, d.width, x.value, y.value) ? 0 : 1);
      context.count("const-prop.branches");
      return Changed::kControlFlow;
    }
    if (!d.result || d.op == Opcode::Const || d.core != kNoCore) return Changed::kNothing;
    // What is kept in a stack slot stays there: as a constant it would be made anew on every edge that passes
    // it.
    if (d.op == Opcode::Copy && fn_.home(d.result).is_stack()) return Changed::kNothing;
    Fact f = facts_[d.result];
    if (f.kind != Fact::kConstant || !fits(f.value)) return Changed::kNothing;
    become_constant(fn_, i, f.value);
    context.count("const-prop.instructions");
    return Changed::kInstructions;
  }

  Function& fn_;
  SideTable<Value, Fact> facts_;
  SideTable<Inst, uint8_t> visited_;
  const Users& users_;
  SideTable<Block, uint8_t> reached_ = SideTable<Block, uint8_t>(0);
  std::vector<Block> blocks_;
  std::vector<Inst> insts_;
};

}  // namespace

Result<Changed> const_prop(Function& fn, PassContext& context) {
  if (!Solver::has_something(fn, context.analyses.cfg())) return Changed::kNothing;
  Solver solver(fn, context.analyses.users());
  solver.run();
  Changed changed = solver.rewrite(context);
  if (changed == Changed::kControlFlow) remove_unreachable_blocks(fn);
  return changed;
}

}  // namespace epass
