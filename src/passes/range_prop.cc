// Leaves out tests, masks and extensions that the range of their operand makes idle.
//
//     v1 = load.u8 v0+0                  v1 = load.u8 v0+0
//     v2 = add v1, 1                     v2 = add v1, 1
//     v3 = and v2, 511            =>     jump b1
//     jgt v3, 300, b2, b1
//
// What has one possible value becomes that constant, a mask that needs two records (ld_imm64) one that is an
// immediate, an extension of the sign one with zeros where the sign is known. Tests and masks go only by what
// the verifiers of all kernels since 6.1 work out from the same instructions. With edges=yes also by what
// earlier tests say: old verifiers lose that where the value had been spilled before.

#include <optional>

#include "ir/builder.h"
#include "ir/edit.h"
#include "pass/pass.h"
#include "passes/idle_by_range.h"

namespace epass {
namespace {

class RangeProp {
 public:
  RangeProp(Function& fn, PassContext& context) : fn_(fn), context_(context) {}

  Changed run() {
    // What is known with tests shows where there may be something to do; without, less is.
    if (any_but_constants()) verified_.emplace(make({.as_verified = true, .use_tests = uses_tests_}));
    Changed changed = Changed::kNothing;
    for (Block b : fn_.all_blocks()) {
      if (!all_.is_reached(b)) continue;
      for (Inst i = fn_.blocks[b].first, next; i; i = next) {
        next = fn_.next(i);
        if (is_conditional(fn_.insts[i].op))
          changed |= verified_ ? decide_branch(i) : Changed::kNothing;
        else if (is_arithmetic(fn_.insts[i].op))
          changed |= rewrite(i);
      }
    }
    if (changed == Changed::kControlFlow) remove_unreachable_blocks(fn_);
    return changed;
  }

 private:
  bool any_but_constants() const {
    const IdleByRange idle(fn_, all_);
    for (Block b : fn_.all_blocks()) {
      if (!all_.is_reached(b)) continue;
      for (Inst i : fn_.insts_of(b)) {
        const Opcode op = fn_.insts[i].op;
        if (is_conditional(op) && idle.way(i)) return true;
        if (is_arithmetic(op) && (idle.operand(i) || idle.mask(i) || idle.without_sign(i))) return true;
      }
    }
    return false;
  }

  Changed decide_branch(Inst end) {
    const InstData& d = fn_.insts[end];
    const auto way = IdleByRange(fn_, *verified_).way(end);
    if (!way) return Changed::kNothing;
    keep_only_edge(fn_, d.block, *way ? 0 : 1);
    context_.count("range-prop.branches");
    return Changed::kControlFlow;
  }

  Changed rewrite(Inst i) {
    const InstData& d = fn_.insts[i];
    const auto c = all_.of(d.result).constant();
    const bool takes_one_record = c && (int64_t(*c) == int32_t(*c) || *c == uint32_t(*c));
    if (takes_one_record) return become_constant(fn_, i, *c), done("range-prop.constants");
    if (!verified_) return Changed::kNothing;
    const IdleByRange idle(fn_, *verified_);
    if (const Value v = idle.operand(i)) return replace_keeping_home(fn_, i, v), done("range-prop.idle");
    if (const auto mask = idle.mask(i)) return shorten_mask(i, *mask), done("range-prop.masks");
    if (const Value v = idle.without_sign(i)) return drop_sign(i, v), done("range-prop.signs");
    return Changed::kNothing;
  }

  void shorten_mask(Inst i, int64_t mask) {
    const Value operands[] = {fn_.operand(i, 0), Builder::before(fn_, i).constant(mask)};
    fn_.set_operands(i, operands);
  }

  void drop_sign(Inst i, Value of) {
    fn_.insts[i].op = Opcode::ZExt32;
    fn_.set_operands(i, std::span(&of, 1));
  }

  Ranges make(Ranges::Options options) {
    Analyses& known = context_.analyses;
    return {fn_, known.cfg(), known.dominators(), known.users(), known.memory(), options};
  }

  Changed done(std::string_view what) { return context_.count(what), Changed::kInstructions; }

  Function& fn_;
  PassContext& context_;
  const Ranges all_ = make({.as_verified = false, .use_tests = true});
  const bool uses_tests_ = context_.option("edges", "no") == "yes";
  std::optional<Ranges> verified_;  // from which all but constants follow; not there: nothing does
};

}  // namespace

Result<Changed> range_prop(Function& fn, PassContext& context) { return RangeProp(fn, context).run(); }

}  // namespace epass
