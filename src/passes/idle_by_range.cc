#include "passes/idle_by_range.h"

namespace epass {
namespace {

bool fits_signed(const Scalar& s, int bits) {
  return s.word.smin >> (bits - 1) >= -1 && s.word.smax >> (bits - 1) <= 0;
}

// Whether extending it changes nothing.
bool is_extended(Opcode op, Width width, const Scalar& a) {
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

}  // namespace

std::optional<bool> IdleByRange::way(Inst end) const {
  const InstData& d = fn_.insts[end];
  return decide(d.op, d.width, range(end, 0), range(end, 1));
}

Value IdleByRange::operand(Inst i) const {
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

// `x` where `i` shifts `shl x, c` by the same constant, which moves something.
Value IdleByRange::shifted_left(Inst i) const {
  const InstData& d = fn_.insts[i];
  if ((d.op != Opcode::LShr && d.op != Opcode::AShr) || d.width != Width::k64) return {};
  const Inst left = fn_.def(fn_.operand(i, 0));
  const auto by = fn_.constant(fn_.operand(i, 1), Width::k64);
  if (!left || fn_.insts[left].op != Opcode::Shl || fn_.insts[left].width != Width::k64) return {};
  if (!by || *by == 0 || *by > 63 || fn_.constant(fn_.operand(left, 1), Width::k64) != by) return {};
  return fn_.operand(left, 0);
}

std::optional<int64_t> IdleByRange::mask(Inst i) const {
  const InstData& d = fn_.insts[i];
  if (d.op != Opcode::And || d.width != Width::k64) return {};
  const auto c = fn_.constant(fn_.operand(i, 1), Width::k64);
  if (!c || int64_t(*c) == int32_t(*c)) return {};
  const auto wide = int64_t(*c | ~range(i, 0).word.possible());
  return wide == int32_t(wide) ? std::optional(wide) : std::nullopt;
}

Value IdleByRange::without_sign(Inst i) const {
  const Value pushed = fn_.insts[i].op == Opcode::AShr ? shifted_left(i) : Value{};
  if (!pushed || fn_.constant(fn_.operand(i, 1), Width::k64) != 32) return {};
  return range(pushed, i).half.smin < 0 ? Value{} : pushed;
}

}  // namespace epass
