// Replaces single instructions by simpler ones. One rule a row; the first that applies to the opcode wins.
//
//     v2 = mul v1, 8          =>   v2 = shl v1, 3
//     v3 = shl v1, 32
//     v4 = lshr v3, 32        =>   v4 = zext32 v1
//
// Width first: a .32 form also clears the upper half, so it may be replaced by its operand only if that has a
// clear upper half already. Masks go where the verifier sees the same bound in the instruction that made the
// operand: a load's size, a .32 form, another mask; else only where nobody needs the bound.

#include <bit>

#include "analysis/range_use.h"
#include "analysis/ranges.h"
#include "ir/builder.h"
#include "ir/edit.h"
#include "pass/pass.h"

namespace epass {
namespace {

struct Match {
  Function& fn;
  PassContext& context;
  Inst at;
  Width w;
  Value x;         // left operand
  uint64_t c = 0;  // right operand, a constant cut to the width

  uint64_t mask() const { return w == Width::k32 ? UINT32_MAX : UINT64_MAX; }
  Value build(Opcode op, int64_t c2) { return Builder::before(fn, at).binary(op, w, x, c2); }
};

// Bits that may be set in `v`, as the instruction that makes it tells, or as it tells the verifier.
uint64_t possible_bits(const Function& fn, Value v, bool as_verified) {
  Inst i = fn.def(v);
  if (!i) return UINT64_MAX;
  const InstData& d = fn.insts[i];
  if (as_verified && is_arithmetic(d.op) && !is_followed_by_verifiers(fn, i)) return UINT64_MAX;
  switch (d.op) {
    case Opcode::Const: return d.core == kNoCore ? uint64_t(d.imm) : UINT64_MAX;
    case Opcode::Load:
      return d.core != kNoCore || d.size >= MemSize::kU64 ? UINT64_MAX
                                                          : (uint64_t{1} << 8 * bytes_of(d.size)) - 1;
    case Opcode::ZExt32:
    case Opcode::Le32:
    case Opcode::Be32:
    case Opcode::BSwap32: return UINT32_MAX;
    case Opcode::Le16:
    case Opcode::Be16:
    case Opcode::BSwap16: return UINT16_MAX;
    case Opcode::And: {
      auto c = fn.constant(fn.operand(i, 1), d.width);
      return c ? *c : d.width == Width::k32 ? UINT32_MAX : UINT64_MAX;
    }
    case Opcode::LShr: {
      auto c = fn.constant(fn.operand(i, 1), d.width);
      uint64_t all = d.width == Width::k32 ? UINT32_MAX : UINT64_MAX;
      return c && *c < uint64_t(d.width) ? all >> *c : all;
    }
    default: break;
  }
  bool narrow = d.width == Width::k32 &&
                (is_binary(d.op) || d.op == Opcode::Neg || d.op == Opcode::SExt8 || d.op == Opcode::SExt16);
  return narrow ? UINT32_MAX : UINT64_MAX;
}

// Whether `x` has no bits but these, and is as good as what says so at `at`.
bool has_only(const Match& m, uint64_t bits) {
  if ((possible_bits(m.fn, m.x, true) & ~bits) == 0) return true;
  return (possible_bits(m.fn, m.x, false) & ~bits) == 0 &&
         !RangeUse(m.fn, m.context.analyses.users()).is_needed(m.fn.insts[m.at].result);
}

// `x` itself, where the instruction leaves all its bits as they are.
Value same(Match& m) { return m.w == Width::k64 || has_only(m, UINT32_MAX) ? m.x : Value{}; }
Value constant(Match& m, uint64_t c) { return Builder::before(m.fn, m.at).constant(int64_t(c)); }

// The operand of `shl x, by` that makes `v`.
Value shifted_left(const Function& fn, Value v, uint64_t by) {
  Inst i = fn.def(v);
  if (!i || fn.insts[i].op != Opcode::Shl || fn.insts[i].width != Width::k64) return {};
  return fn.constant(fn.operand(i, 1), Width::k64) == by ? fn.operand(i, 0) : Value{};
}

using Rule = Value (*)(Match&);
constexpr struct {
  Opcode op;
  std::string_view name;
  Rule apply;
} kRules[] = {
    {Opcode::Add, "x + 0 => x", [](Match& m) { return m.c == 0 ? same(m) : Value{}; }},
    {Opcode::Sub, "x - 0 => x", [](Match& m) { return m.c == 0 ? same(m) : Value{}; }},
    {Opcode::Mul, "x * 0 => 0", [](Match& m) { return m.c == 0 ? constant(m, 0) : Value{}; }},
    {Opcode::Mul, "x * 1 => x", [](Match& m) { return m.c == 1 ? same(m) : Value{}; }},
    {Opcode::Mul, "x * 2^k => x << k",
     [](Match& m) {
       return std::has_single_bit(m.c) && m.c > 1 ? m.build(Opcode::Shl, std::countr_zero(m.c)) : Value{};
     }},
    {Opcode::UDiv, "x / 1 => x", [](Match& m) { return m.c == 1 ? same(m) : Value{}; }},
    {Opcode::UDiv, "x / 2^k => x >> k",
     [](Match& m) {
       return std::has_single_bit(m.c) && m.c > 1 ? m.build(Opcode::LShr, std::countr_zero(m.c)) : Value{};
     }},
    {Opcode::UMod, "x % 2^k => x & 2^k-1",
     [](Match& m) {
       return std::has_single_bit(m.c) && m.c <= uint64_t{1} << 31 ? m.build(Opcode::And, int64_t(m.c) - 1)
                                                                   : Value{};
     }},
    {Opcode::And, "x & 0 => 0", [](Match& m) { return m.c == 0 ? constant(m, 0) : Value{}; }},
    {Opcode::And, "x & mask => x", [](Match& m) { return has_only(m, m.c) ? m.x : Value{}; }},
    {Opcode::Or, "x | 0 => x", [](Match& m) { return m.c == 0 ? same(m) : Value{}; }},
    {Opcode::Xor, "x ^ 0 => x", [](Match& m) { return m.c == 0 ? same(m) : Value{}; }},
    {Opcode::Shl, "x << 0 => x", [](Match& m) { return m.c == 0 ? same(m) : Value{}; }},
    {Opcode::LShr, "x >> 0 => x", [](Match& m) { return m.c == 0 ? same(m) : Value{}; }},
    {Opcode::AShr, "x s>> 0 => x", [](Match& m) { return m.c == 0 ? same(m) : Value{}; }},
    {Opcode::LShr, "(x << 32) >> 32 => zext32 x",
     [](Match& m) {
       Value x = m.c == 32 && m.w == Width::k64 ? shifted_left(m.fn, m.x, 32) : Value{};
       return x ? Builder::before(m.fn, m.at).zext32(x) : Value{};
     }},
};

Value rewrite(Function& fn, Inst i, PassContext& context) {
  const InstData& d = fn.insts[i];
  if (d.op == Opcode::ZExt32) {
    const Match m{fn, context, i, Width::k64, fn.operand(i, 0)};
    return has_only(m, UINT32_MAX) ? m.x : Value{};
  }
  if (!is_binary(d.op)) return {};
  auto c = fn.constant(fn.operand(i, 1), d.width);
  if (!c) return {};
  Match m{fn, context, i, d.width, fn.operand(i, 0), *c};
  for (const auto& rule : kRules) {
    if (rule.op != d.op) continue;
    if (Value v = rule.apply(m)) return context.count(std::string("simplify.") + std::string(rule.name)), v;
  }
  return {};
}

}  // namespace

// A constant that the input wrote with two records although one does. Not under a CO-RE record: it needs its
// form.
static bool shorten_constant(InstData& d) {
  bool fits = d.imm == int32_t(d.imm) || d.imm == int64_t(uint32_t(d.imm));
  if (d.op != Opcode::Const || d.form != Form::kLdImm64 || d.core != kNoCore || !fits) return false;
  d.form = Form::kNatural;
  return true;
}

Result<Changed> simplify(Function& fn, PassContext& context) {
  Changed changed = Changed::kNothing;
  for (Inst i : fn.all_insts()) {
    if (shorten_constant(fn.insts[i])) {
      context.count("simplify.ld_imm64 => mov");
      changed = Changed::kInstructions;
      continue;
    }
    Value v = rewrite(fn, i, context);
    if (!v) continue;
    // What a rule built takes over the home; what was there before keeps its own.
    if (fn.def(v) && !fn.home(v) && fn.insts[fn.def(v)].next == i)
      fn.values[fn.resolve(v)].home = fn.home(fn.insts[i].result);
    replace_keeping_home(fn, i, v);
    changed = Changed::kInstructions;
  }
  return changed;
}

}  // namespace epass
