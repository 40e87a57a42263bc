#include "analysis/bounds.h"

#include <algorithm>
#include <bit>

namespace epass {
namespace {

template <class U>
constexpr int kBits = std::numeric_limits<U>::digits;
template <class U>
constexpr U kSignBit = U(U{1} << (kBits<U> - 1));

// The bit `x` begins with, and all below it.
template <class U>
U filled(U x) {
  return x ? U(std::numeric_limits<U>::max() >> std::countl_zero(x)) : U{0};
}

// Sets what lies between two numbers, unless computing one of them went too far.
template <class U>
void between(Bounds<U>& r, bool too_far, U least, U most) {
  if (!too_far) r.umin = least, r.umax = most;
}
template <class U, class S = std::make_signed_t<U>>
void between_signed(Bounds<U>& r, bool too_far, S least, S most) {
  if (!too_far) r.smin = least, r.smax = most;
}

// A sum with all unknown bits clear, and with all set: where both have the same bits and the operands are
// known, so is the sum, because every carry is between both.
template <class U>
void set_carried(Bounds<U>& r, U unknown, U one, U other) {
  r.mask = U(unknown | (one ^ other));
  r.value = U(one & ~r.mask);
}

template <class U>
Bounds<U> add(const Bounds<U>& a, const Bounds<U>& b) {
  Bounds<U> r;
  set_carried(r, U(a.mask | b.mask), U(a.value + b.value), U(a.possible() + b.possible()));
  U most = 0;
  bool too_far = __builtin_add_overflow(a.umax, b.umax, &most);
  between(r, too_far, U(a.umin + b.umin), most);
  typename Bounds<U>::S low = 0, high = 0;
  too_far = __builtin_add_overflow(a.smin, b.smin, &low) | __builtin_add_overflow(a.smax, b.smax, &high);
  between_signed(r, too_far, low, high);
  return r;
}

template <class U>
Bounds<U> sub(const Bounds<U>& a, const Bounds<U>& b) {
  Bounds<U> r;
  set_carried(r, U(a.mask | b.mask), U(a.value - b.possible()), U(a.possible() - b.value));
  r.value = U((a.value - b.value) & ~r.mask);
  between(r, a.umin < b.umax, U(a.umin - b.umax), U(a.umax - b.umin));
  typename Bounds<U>::S low = 0, high = 0;
  const bool too_far =
      __builtin_sub_overflow(a.smin, b.smax, &low) | __builtin_sub_overflow(a.smax, b.smin, &high);
  between_signed(r, too_far, low, high);
  return r;
}

// By hand, as at school: a row for each bit of `a`.
template <class U>
void multiply_bits(Bounds<U>& r, const Bounds<U>& a, const Bounds<U>& b) {
  r.value = r.mask = 0;
  for (int n = 0; n < kBits<U>; ++n) {
    if (!(a.possible() >> n & 1)) continue;
    Bounds<U> row, sum;
    const bool is_sure = a.value >> n & 1;
    row.value = is_sure ? U(b.value << n) : U{0};
    row.mask = U((is_sure ? b.mask : b.possible()) << n);
    set_carried(sum, U(r.mask | row.mask), U(r.value + row.value), U(r.possible() + row.possible()));
    r.value = sum.value, r.mask = sum.mask;
  }
}

template <class U>
Bounds<U> mul(const Bounds<U>& a, const Bounds<U>& b) {
  using S = typename Bounds<U>::S;
  if (a.is_constant() && b.is_constant()) return Bounds<U>::constant(U(a.umin * b.umin));
  Bounds<U> r;
  multiply_bits(r, a, b);
  U most = 0;
  bool too_far = __builtin_mul_overflow(a.umax, b.umax, &most);
  between(r, too_far, U(a.umin * b.umin), most);
  S corners[4] = {};
  too_far = __builtin_mul_overflow(a.smin, b.smin, &corners[0]) |
            __builtin_mul_overflow(a.smin, b.smax, &corners[1]) |
            __builtin_mul_overflow(a.smax, b.smin, &corners[2]) |
            __builtin_mul_overflow(a.smax, b.smax, &corners[3]);
  between_signed(r, too_far, std::ranges::min(corners), std::ranges::max(corners));
  return r;
}

// A divisor of zero gives zero, and the whole number as remainder.
template <class U>
Bounds<U> udiv(const Bounds<U>& a, const Bounds<U>& b) {
  Bounds<U> r;
  r.umin = b.umin ? U(a.umin / b.umax) : U{0};
  r.umax = b.umin ? U(a.umax / b.umin) : a.umax;
  return r;
}

template <class U>
Bounds<U> umod(const Bounds<U>& a, const Bounds<U>& b) {
  if (b.umin > a.umax) return a;
  Bounds<U> r;
  r.umax = b.umin ? std::min(a.umax, U(b.umax - 1)) : a.umax;
  return r;
}

template <class U>
Bounds<U> sdiv(const Bounds<U>& a, const Bounds<U>& b) {
  using S = typename Bounds<U>::S;
  if (a.smin >= 0 && b.smin >= 0) return udiv(a, b);
  if (b.is_constant() && b.smin == -1) return sub(Bounds<U>::constant(0), a);
  Bounds<U> r;
  if (a.smin == std::numeric_limits<S>::min()) return r;
  const S most = std::max(S(-a.smin), a.smax), step = b.is_constant() && b.umin ? b.smin : S{1};
  r.smin = std::min({S(-most), S{0}}), r.smax = most;
  if (step != 1) r.smin = std::min(S(a.smin / step), S(a.smax / step));
  if (step != 1) r.smax = std::max(S(a.smin / step), S(a.smax / step));
  return r;
}

// The remainder has the sign of `a`, and is no further from zero than it.
template <class U>
Bounds<U> smod(const Bounds<U>& a, const Bounds<U>& b) {
  using S = typename Bounds<U>::S;
  Bounds<U> r;
  r.smin = std::min(a.smin, S{0}), r.smax = std::max(a.smax, S{0});
  if (!b.is_constant() || b.umin == 0 || b.umin == kSignBit<U>) return r;
  const S most = S((b.smin < 0 ? S(-b.smin) : b.smin) - 1);
  r.smin = std::max(r.smin, S(-most)), r.smax = std::min(r.smax, most);
  return r;
}

template <class U>
Bounds<U> bitwise(Opcode op, const Bounds<U>& a, const Bounds<U>& b) {
  Bounds<U> r;
  if (op == Opcode::And) {
    r.value = U(a.value & b.value), r.mask = U((a.possible() & b.possible()) ^ r.value);
    r.umax = std::min(a.umax, b.umax);
  } else if (op == Opcode::Or) {
    r.value = U(a.value | b.value), r.mask = U((a.possible() | b.possible()) ^ r.value);
    r.umin = std::max(a.umin, b.umin);
  } else {
    r.mask = U(a.mask | b.mask), r.value = U((a.value ^ b.value) & ~r.mask);
  }
  return r;
}

template <class U>
Bounds<U> shift_by(Opcode op, const Bounds<U>& a, int by) {
  using S = typename Bounds<U>::S;
  Bounds<U> r;
  if (op == Opcode::Shl) {
    r.value = U(a.value << by), r.mask = U(a.mask << by);
    between(r, U(U(a.umax << by) >> by) != a.umax, U(a.umin << by), U(a.umax << by));
    const bool too_far = S(S(a.smin << by) >> by) != a.smin || S(S(a.smax << by) >> by) != a.smax;
    between_signed(r, too_far, S(a.smin << by), S(a.smax << by));
  } else if (op == Opcode::LShr) {
    r.value = U(a.value >> by), r.mask = U(a.mask >> by);
    r.umin = U(a.umin >> by), r.umax = U(a.umax >> by);
  } else {
    r.value = U(S(a.value) >> by), r.mask = U(S(a.mask) >> by);
    r.smin = S(a.smin >> by), r.smax = S(a.smax >> by);
  }
  return r;
}

// Amounts count modulo the width.
template <class U>
Bounds<U> shift(Opcode op, const Bounds<U>& a, const Bounds<U>& by) {
  constexpr U kMost = kBits<U> - 1;
  if (by.is_constant()) return shift_by(op, a, int(by.umin & kMost));
  Bounds<U> r = Bounds<U>::none();
  for (U n = 0; n <= kMost; ++n) {
    if (((n ^ by.value) & ~by.mask & kMost) || (by.umax <= kMost && (n < by.umin || n > by.umax))) continue;
    Bounds<U> one = shift_by(op, a, int(n));
    settle(one);
    r = join(r, one);
  }
  return r;
}

template <class U>
void assume_equal(Bounds<U>& a, Bounds<U>& b) {
  a = b = meet(a, b);
}

// `a` is not the constant `b`: that tells something if it is at one of the ends.
template <class U>
void assume_other(Bounds<U>& a, const Bounds<U>& b) {
  if (!b.is_constant()) return;
  if (a.is_constant() && a.umin == b.umin) return void(a = Bounds<U>::none());
  if (a.umin == b.umin) ++a.umin;
  if (a.umax == b.umin) --a.umax;
  if (a.smin == b.smin) ++a.smin;
  if (a.smax == b.smin) --a.smax;
}

// a < b; a <= b if `or_equal`.
template <class U>
void assume_below(Bounds<U>& a, Bounds<U>& b, bool or_equal) {
  if (!or_equal && (b.umax == 0 || a.umin == std::numeric_limits<U>::max()))
    return void(a = b = Bounds<U>::none());
  a.umax = std::min(a.umax, U(b.umax - !or_equal));
  b.umin = std::max(b.umin, U(a.umin + !or_equal));
}
template <class U>
void assume_below_signed(Bounds<U>& a, Bounds<U>& b, bool or_equal) {
  using Limits = std::numeric_limits<typename Bounds<U>::S>;
  if (!or_equal && (b.smax == Limits::min() || a.smin == Limits::max()))
    return void(a = b = Bounds<U>::none());
  using S = typename Bounds<U>::S;
  a.smax = std::min(a.smax, S(b.smax - !or_equal));
  b.smin = std::max(b.smin, S(a.smin + !or_equal));
}

// A bit in common.
template <class U>
void assume_common_bit(Bounds<U>& a, Bounds<U>& b) {
  const U both = U(a.possible() & b.possible());
  if (both == 0) return void(a = b = Bounds<U>::none());
  if (!std::has_single_bit(both)) return;
  a.value |= both, a.mask &= U(~both);
  b.value |= both, b.mask &= U(~both);
}

template <class U>
void assume_no_common_bit(Bounds<U>& a, Bounds<U>& b) {
  if (a.value & b.value) return void(a = b = Bounds<U>::none());
  a.mask &= U(~b.value);
  b.mask &= U(~a.value);
}

}  // namespace

template <class U>
Bounds<U> join(const Bounds<U>& a, const Bounds<U>& b) {
  if (a.is_none()) return b;
  if (b.is_none()) return a;
  const U mask = U(a.mask | b.mask | (a.value ^ b.value));
  return {U(a.value & ~mask),       mask,
          std::min(a.umin, b.umin), std::max(a.umax, b.umax),
          std::min(a.smin, b.smin), std::max(a.smax, b.smax)};
}

template <class U>
Bounds<U> meet(const Bounds<U>& a, const Bounds<U>& b) {
  if ((a.value ^ b.value) & ~a.mask & ~b.mask) return Bounds<U>::none();
  return {U(a.value | b.value),     U(a.mask & b.mask),       std::max(a.umin, b.umin),
          std::min(a.umax, b.umax), std::max(a.smin, b.smin), std::min(a.smax, b.smax)};
}

template <class U>
Bounds<U> widen(const Bounds<U>& before, const Bounds<U>& now) {
  if (before.is_none()) return now;
  Bounds<U> r;
  const U moved = U(now.mask & ~before.mask);
  r.mask = U(now.mask | (moved ? ~U((moved & (~moved + 1)) - 1) : U{0}));
  r.value = U(now.value & ~r.mask);
  if (now.umin == before.umin) r.umin = now.umin;
  if (now.umax == before.umax) r.umax = now.umax;
  if (now.smin == before.smin) r.smin = now.smin;
  if (now.smax == before.smax) r.smax = now.smax;
  return r;
}

template <class U>
void settle(Bounds<U>& b) {
  using S = typename Bounds<U>::S;
  if (b.is_none()) return;
  const U sign = U(b.mask & kSignBit<U>);
  b.umin = std::max(b.umin, b.value), b.umax = std::min(b.umax, b.possible());
  b.smin = std::max(b.smin, S(b.value | sign)), b.smax = std::min(b.smax, S(b.possible() & ~sign));
  // Where all have one sign, both orders are one.
  if (!b.is_none() && S(b.umin) <= S(b.umax))
    b.smin = std::max(b.smin, S(b.umin)), b.smax = std::min(b.smax, S(b.umax));
  if (!b.is_none() && U(b.smin) <= U(b.smax))
    b.umin = std::max(b.umin, U(b.smin)), b.umax = std::min(b.umax, U(b.smax));
  if (b.is_none()) return;
  // The bits that both ends begin with.
  const U open = filled(U(b.umin ^ b.umax));
  b = meet(b, {U(b.umin & ~open), open, b.umin, b.umax, b.smin, b.smax});
}

template <class U>
Bounds<U> compute(Opcode op, const Bounds<U>& a, const Bounds<U>& b) {
  switch (op) {
    case Opcode::Add: return add(a, b);
    case Opcode::Sub: return sub(a, b);
    case Opcode::Mul: return mul(a, b);
    case Opcode::UDiv: return udiv(a, b);
    case Opcode::UMod: return umod(a, b);
    case Opcode::SDiv: return sdiv(a, b);
    case Opcode::SMod: return smod(a, b);
    case Opcode::And:
    case Opcode::Or:
    case Opcode::Xor: return bitwise(op, a, b);
    case Opcode::Shl:
    case Opcode::LShr:
    case Opcode::AShr: return shift(op, a, b);
    default: return {};
  }
}

template <class U>
void assume(Opcode op, bool holds, Bounds<U>& a, Bounds<U>& b) {
  if (!holds && op == Opcode::JumpSet) return assume_no_common_bit(a, b);
  switch (holds ? op : *negated(op)) {
    case Opcode::JumpEq: return assume_equal(a, b);
    case Opcode::JumpNe: {
      const Bounds<U> left = a;
      assume_other(a, b);
      return assume_other(b, left);
    }
    case Opcode::JumpLt: return assume_below(a, b, false);
    case Opcode::JumpLe: return assume_below(a, b, true);
    case Opcode::JumpGt: return assume_below(b, a, false);
    case Opcode::JumpGe: return assume_below(b, a, true);
    case Opcode::JumpSlt: return assume_below_signed(a, b, false);
    case Opcode::JumpSle: return assume_below_signed(a, b, true);
    case Opcode::JumpSgt: return assume_below_signed(b, a, false);
    case Opcode::JumpSge: return assume_below_signed(b, a, true);
    case Opcode::JumpSet: return assume_common_bit(a, b);
    default: return;
  }
}

#define EPASS_BOUNDS(U)                                                   \
  template Bounds<U> join(const Bounds<U>&, const Bounds<U>&);            \
  template Bounds<U> meet(const Bounds<U>&, const Bounds<U>&);            \
  template Bounds<U> widen(const Bounds<U>&, const Bounds<U>&);           \
  template void settle(Bounds<U>&);                                       \
  template Bounds<U> compute(Opcode, const Bounds<U>&, const Bounds<U>&); \
  template void assume(Opcode, bool, Bounds<U>&, Bounds<U>&);
EPASS_BOUNDS(uint32_t)
EPASS_BOUNDS(uint64_t)
#undef EPASS_BOUNDS

}  // namespace epass
