#include "analysis/scalar.h"

#include <algorithm>
#include <array>

#include "ir/eval.h"

namespace epass {
namespace {

constexpr uint64_t kUpper = uint64_t{UINT32_MAX} << 32;

void halves_share_bits(Scalar& s) {
  const Bounds<uint32_t>& low = s.half;
  s.word = meet(s.word, {low.value, kUpper | low.mask, s.word.umin, s.word.umax, s.word.smin, s.word.smax});
  s.half.value = uint32_t(s.word.value), s.half.mask = uint32_t(s.word.mask);
}

void narrow_half(Scalar& s) {
  const Bounds<uint64_t>& word = s.word;
  Bounds<uint32_t>& half = s.half;
  if (word.umin >> 32 == word.umax >> 32) {
    half.umin = std::max(half.umin, uint32_t(word.umin));
    half.umax = std::min(half.umax, uint32_t(word.umax));
  }
  if (word.smin >= INT32_MIN && word.smax <= INT32_MAX) {
    half.smin = std::max(half.smin, int32_t(word.smin));
    half.smax = std::min(half.smax, int32_t(word.smax));
  }
}

// The ends with a low half that can be.
void narrow_word(Scalar& s) {
  Bounds<uint64_t>& word = s.word;
  const Bounds<uint32_t>& half = s.half;
  word.umin = std::max(word.umin, (word.umin & kUpper) | half.umin);
  word.umax = std::min(word.umax, (word.umax & kUpper) | half.umax);
  word.smin = std::max(word.smin, int64_t((uint64_t(word.smin) & kUpper) | half.umin));
  word.smax = std::min(word.smax, int64_t((uint64_t(word.smax) & kUpper) | half.umax));
  if (word.smin >= INT32_MIN && word.smax <= INT32_MAX) {
    word.smin = std::max(word.smin, int64_t{half.smin});
    word.smax = std::min(word.smax, int64_t{half.smax});
  }
}

// Each view learns from the others. Twice, for what comes round.
Scalar settled(Scalar s) {
  for (int round = 0; round < 2; ++round) {
    settle(s.word), settle(s.half);
    if (s.is_none()) return Scalar::none();
    halves_share_bits(s);
    if (s.is_none()) return Scalar::none();
    narrow_half(s), narrow_word(s);
  }
  settle(s.word), settle(s.half);
  return s.is_none() ? Scalar::none() : s;
}

// The low half with zeros above.
Scalar zero_extended(const Bounds<uint32_t>& half) {
  return settled({{half.value, half.mask, half.umin, half.umax, 0, UINT32_MAX}, half});
}

Scalar sign_extended(const Bounds<uint32_t>& half) {
  const auto wide = [](uint32_t x) { return uint64_t(int64_t{int32_t(x)}); };
  Scalar s{.half = half};
  s.word.value = wide(half.value), s.word.mask = wide(half.mask);
  s.word.smin = half.smin, s.word.smax = half.smax;
  return settled(s);
}

// The low bits, sign-extended in that width.
Scalar sign_extended(Width width, const Scalar& a, int bits) {
  const Scalar by = Scalar::constant(uint64_t(int(width) - bits));
  return compute(Opcode::AShr, width, compute(Opcode::Shl, width, a, by), by);
}

bool low_half_is_of_low_halves(Opcode op, const Scalar& b) {
  switch (op) {
    case Opcode::Add:
    case Opcode::Sub:
    case Opcode::Mul:
    case Opcode::And:
    case Opcode::Or:
    case Opcode::Xor: return true;
    case Opcode::Shl: return b.word.is_constant() && (b.word.umin & 63) < 32;
    default: return false;
  }
}

// A permutation of bytes, and so of bits.
Scalar swapped_bytes(Opcode op, const Scalar& a) {
  Scalar s;
  s.word.value = eval_unary(op, Width::k64, a.word.value);
  s.word.mask = eval_unary(op, Width::k64, a.word.mask);
  s.half = {.value = uint32_t(s.word.value), .mask = uint32_t(s.word.mask)};
  return settled(s);
}

}  // namespace

Scalar Scalar::up_to(uint64_t most) { return settled({.word = {.umax = most}}); }

Scalar Scalar::loaded(MemSize size) {
  if (size < MemSize::kU64) return up_to((uint64_t{1} << 8 * bytes_of(size)) - 1);
  if (size == MemSize::kU64) return {};
  const int64_t half = int64_t{1} << (8 * bytes_of(size) - 1);
  return settled({.word = {.smin = -half, .smax = half - 1}});
}

Scalar join(const Scalar& a, const Scalar& b) { return {join(a.word, b.word), join(a.half, b.half)}; }

Scalar meet(const Scalar& a, const Scalar& b) {
  return settled({meet(a.word, b.word), meet(a.half, b.half)});
}

Scalar widen(const Scalar& before, const Scalar& now) {
  return {widen(before.word, now.word), widen(before.half, now.half)};
}

Scalar compute(Opcode op, Width width, const Scalar& a, const Scalar& b) {
  if (a.is_none() || b.is_none()) return Scalar::none();
  // Addresses, mostly: what can be anything is anything again.
  const bool is_sum = op == Opcode::Add || op == Opcode::Sub || op == Opcode::Xor;
  if (is_sum && width == Width::k64 && (a == Scalar{} || b == Scalar{})) return {};
  if (width == Width::k32) return zero_extended(compute(op, a.half, b.half));
  Scalar s{.word = compute(op, a.word, b.word)};
  if (low_half_is_of_low_halves(op, b)) s.half = compute(op, a.half, b.half);
  return settled(s);
}

Scalar compute(Opcode op, Width width, const Scalar& a) {
  if (a.is_none()) return a;
  switch (op) {
    case Opcode::Copy:
    case Opcode::Le64: return a;
    case Opcode::Neg: return compute(Opcode::Sub, width, Scalar::constant(0), a);
    case Opcode::ZExt32:
    case Opcode::Le32: return zero_extended(a.half);
    case Opcode::Le16: return compute(Opcode::And, Width::k32, a, Scalar::constant(0xffff));
    case Opcode::SExt8: return sign_extended(width, a, 8);
    case Opcode::SExt16: return sign_extended(width, a, 16);
    case Opcode::SExt32: return sign_extended(a.half);
    default: return swapped_bytes(op, a);
  }
}

void assume(Opcode op, Width width, bool holds, Scalar& a, Scalar& b) {
  if (width == Width::k32) {
    assume(op, holds, a.half, b.half);
  } else {
    assume(op, holds, a.word, b.word);
  }
  a = settled(a), b = settled(b);
  if (a.is_none() || b.is_none()) a = b = Scalar::none();
}

// Whether numbers at the ends of both show that the condition may hold, and that it may not.
static bool goes_both_ways(Opcode op, Width width, const Scalar& a, const Scalar& b) {
  const std::array ends = {a.word.umin, a.word.umax, b.word.umin, b.word.umax};
  bool holds = false, fails = false;
  for (const uint64_t x : ends) {
    if (!a.contains(x)) continue;
    for (const uint64_t y : ends)
      if (b.contains(y)) (eval_condition(op, width, x, y) ? holds : fails) = true;
    if (holds && fails) return true;
  }
  return false;
}

std::optional<bool> decide(Opcode op, Width width, const Scalar& a, const Scalar& b) {
  if (a.is_none() || b.is_none() || goes_both_ways(op, width, a, b)) return {};
  for (const bool holds : {false, true}) {
    Scalar x = a, y = b;
    assume(op, width, holds, x, y);
    if (x.is_none()) return !holds;
  }
  return {};
}

}  // namespace epass
