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

#include "analysis/ranges.h"
#include "ir/builder.h"
#include "ir/edit.h"
#include "pass/pass.h"

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
  Scalar range(Value v, Inst i) const { return (verified_ ? *verified_ : all_).at(v, fn_.insts[i].block); }
  Scalar range(Inst i, size_t n) const { return range(fn_.operand(i, n), i); }

  bool any_but_constants() const {
    for (Block b : fn_.all_blocks()) {
      if (!all_.is_reached(b)) continue;
      for (Inst i : fn_.insts_of(b)) {
        const Opcode op = fn_.insts[i].op;
        if (is_conditional(op) && way_of(i)) return true;
        if (is_arithmetic(op) && (left_alone(i) || shorter_mask(i) || without_sign(i))) return true;
      }
    }
    return false;
  }

  std::optional<bool> way_of(Inst end) const {
    const InstData& d = fn_.insts[end];
    return decide(d.op, d.width, range(end, 0), range(end, 1));
  }

  Changed decide_branch(Inst end) {
    const InstData& d = fn_.insts[end];
    const auto way = way_of(end);
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
    if (const Value v = left_alone(i)) return replace_keeping_home(fn_, i, v), done("range-prop.idle");
    if (const auto mask = shorter_mask(i)) return shorten_mask(i, *mask), done("range-prop.masks");
    if (const Value v = without_sign(i)) return drop_sign(i, v), done("range-prop.signs");
    return Changed::kNothing;
  }

  // The operand that is the result, too.
  Value left_alone(Inst i) const {
    const InstData& d = fn_.insts[i];
    const Value x = fn_.operand(i, 0);
    const Scalar a = range(i, 0);
    if (is_unary(d.op)) return is_extended(d.op, d.width, a) ? x : Value{};
    if (d.width == Width::k32 && a.word.umax > UINT32_MAX) return {};
    const Scalar b = range(i, 1);
    if (d.op == Opcode::And) return (a.word.possible() & ~b.word.value) == 0 ? x : Value{};
    if (d.op == Opcode::UMod) return a.word.umax < b.half.umin ? x : Value{};
    const Value pushed = shifted_left(i);  // there and back
    if (!pushed) return {};
    const Scalar whole = range(pushed, i);
    const int bits = 64 - int(b.word.umin);
    const bool fits = d.op == Opcode::AShr ? fits_signed(whole, bits) : whole.word.umax >> bits == 0;
    return fits ? pushed : Value{};
  }

  static bool fits_signed(const Scalar& s, int bits) {
    return s.word.smin >> (bits - 1) >= -1 && s.word.smax >> (bits - 1) <= 0;
  }

  // Whether extending it changes nothing.
  static bool is_extended(Opcode op, Width width, const Scalar& a) {
    const bool narrow = width == Width::k32;
    switch (op) {
      case Opcode::ZExt32:
      case Opcode::Le32: return a.word.umax >> 32 == 0;
      case Opcode::Le16: return a.word.umax >> 16 == 0;
      case Opcode::SExt8: return narrow ? a.word.umax >> 7 == 0 : fits_signed(a, 8);
      case Opcode::SExt16: return narrow ? a.word.umax >> 15 == 0 : fits_signed(a, 16);
      case Opcode::SExt32: return fits_signed(a, 32);
      default: return false;
    }
  }

  // `x` where `i` shifts `shl x, c` by the same constant, which moves something.
  Value shifted_left(Inst i) const {
    const InstData& d = fn_.insts[i];
    if ((d.op != Opcode::LShr && d.op != Opcode::AShr) || d.width != Width::k64) return {};
    const Inst left = fn_.def(fn_.operand(i, 0));
    const auto by = fn_.constant(fn_.operand(i, 1), Width::k64);
    if (!left || fn_.insts[left].op != Opcode::Shl || fn_.insts[left].width != Width::k64) return {};
    if (!by || *by == 0 || *by > 63 || fn_.constant(fn_.operand(left, 1), Width::k64) != by) return {};
    return fn_.operand(left, 0);
  }

  // A mask that is no immediate, but is one with bits more that are clear anyway.
  std::optional<int64_t> shorter_mask(Inst i) const {
    const InstData& d = fn_.insts[i];
    if (d.op != Opcode::And || d.width != Width::k64) return {};
    const auto c = fn_.constant(fn_.operand(i, 1), Width::k64);
    if (!c || int64_t(*c) == int32_t(*c)) return {};
    const auto wide = int64_t(*c | ~range(i, 0).word.possible());
    return wide == int32_t(wide) ? std::optional(wide) : std::nullopt;
  }
  void shorten_mask(Inst i, int64_t mask) {
    const Value operands[] = {fn_.operand(i, 0), Builder::before(fn_, i).constant(mask)};
    fn_.set_operands(i, operands);
  }

  // What an extension of the sign in two records extends, where there is none.
  Value without_sign(Inst i) const {
    const Value pushed = fn_.insts[i].op == Opcode::AShr ? shifted_left(i) : Value{};
    if (!pushed || fn_.constant(fn_.operand(i, 1), Width::k64) != 32) return {};
    return range(pushed, i).half.smin < 0 ? Value{} : pushed;
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
