// Tests the number whose sign a choice was made by.
//
//     v1 = ashr.32 v0, 31                 jslt.32 v0, 0, b1(-141), b2(0)
//     v2 = and.32 v1, -141         =>
//     jslt.32 v2, 0, b1(v2), b2(v2)
//
// v2 is 0 or the constant, and behind the test it is known which. The verifier walks the code behind the
// `and` once for either, as if it were a branch.

#include "analysis/analyses.h"
#include "ir/builder.h"
#include "ir/eval.h"
#include "pass/pass.h"

namespace epass {
namespace {

// A value that is `constant` if `number` is negative, else 0.
struct Choice {
  Value number = {};
  Width width = Width::k64;
  uint64_t constant = 0;
};

std::optional<Choice> find_choice(const Function& fn, Value v) {
  const Inst mask = fn.def(v);
  if (!mask || fn.insts[mask].op != Opcode::And) return {};
  const Width width = fn.insts[mask].width;
  const auto c = fn.constant(fn.operand(mask, 1), width);
  const Inst shift = fn.def(fn.operand(mask, 0));
  if (!c || !shift || fn.insts[shift].op != Opcode::AShr || fn.insts[shift].width != width) return {};
  if (fn.constant(fn.operand(shift, 1), width) != uint64_t(width) - 1) return {};
  return Choice{fn.operand(shift, 0), width, *c};
}

bool tests_choice(const Function& fn, Inst end) {
  return is_conditional(fn.insts[end].op) && find_choice(fn, fn.operand(end, 0));
}

class Signs {
 public:
  Signs(Function& fn, Analyses& analyses)
      : fn_(fn), cfg_(analyses.cfg()), dominators_(analyses.dominators()), users_(analyses.users()) {}

  Changed run(PassContext& context) {
    Changed changed = Changed::kNothing;
    for (Block b : cfg_.rpo) {
      const Inst end = fn_.terminator(b);
      if (!is_conditional(fn_.insts[end].op) || fn_.target(end, 0) == fn_.target(end, 1)) continue;
      if (!rewrite(end)) continue;
      context.count("test-signs.tests");
      changed = Changed::kInstructions;
    }
    return changed;
  }

 private:
  bool rewrite(Inst end) {
    const InstData test = fn_.insts[end];
    const Value v = fn_.operand(end, 0);
    const auto choice = find_choice(fn_, v);
    const auto y = fn_.constant(fn_.operand(end, 1), test.width);
    if (!choice || !y || fn_.operand(end, 1) == v) return false;
    const bool negative = eval_condition(test.op, test.width, choice->constant, *y);
    if (negative == eval_condition(test.op, test.width, 0, *y)) return false;
    // The edge of each use: all must be behind the test.
    for (Inst user : users_.of(v))
      if (user != end && side(end, fn_.insts[user].block) < 0) return false;
    const uint64_t values[] = {negative ? choice->constant : 0, negative ? 0 : choice->constant};
    for (uint32_t n = 0; n < 2; ++n) {
      Value made;
      for (Value& arg : fn_.args(fn_.edge(end, n))) {
        if (fn_.resolve(arg) != v) continue;
        if (!made) made = constant(end, values[n], fn_.home(v));
        arg = made;
      }
    }
    for (Inst user : users_.of(v)) {
      if (user == end) continue;
      const auto n = size_t(side(end, fn_.insts[user].block));
      const Value made = constant(user, values[n], fn_.home(v));
      for (Value& operand : fn_.operands(user))
        if (fn_.resolve(operand) == v) operand = made;
      for (uint32_t k = 0; k < fn_.insts[user].edge_count; ++k)
        for (Value& arg : fn_.args(fn_.edge(user, k)))
          if (fn_.resolve(arg) == v) arg = made;
    }
    const Value operands[] = {choice->number, Builder::before(fn_, end).constant(0)};
    fn_.set_operands(end, operands);
    fn_.insts[end].op = negative ? Opcode::JumpSlt : Opcode::JumpSge;
    fn_.insts[end].width = choice->width;
    return true;
  }

  // Which edge of `end` all ways to `b` take; -1: either.
  int side(Inst end, Block b) const {
    for (int n = 0; n < 2; ++n) {
      const Block to = fn_.target(end, size_t(n));
      if (cfg_.incoming(to).size() == 1 && dominators_.dominates(to, b)) return n;
    }
    return -1;
  }

  Value constant(Inst before, uint64_t value, Home home) {
    InstData c{.op = Opcode::Const, .imm = int64_t(value), .origin = fn_.insts[before].origin};
    return fn_.insts[fn_.insert_before(before, c, {}, home)].result;
  }

  Function& fn_;
  const Cfg& cfg_;
  const Dominators& dominators_;
  const Users& users_;
};

}  // namespace

Result<Changed> test_signs(Function& fn, PassContext& context) {
  for (Block b : fn.all_blocks())
    if (tests_choice(fn, fn.terminator(b))) return Signs(fn, context.analyses).run(context);
  return Changed::kNothing;
}

}  // namespace epass
