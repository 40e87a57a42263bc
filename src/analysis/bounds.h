#pragma once
// What is known of a number of one width: of each bit whether it is set, and between which bounds the number
// is, unsigned and signed.

#include <limits>
#include <type_traits>

#include "ir/opcode.h"

namespace epass {

// Bits in `mask` are unknown, the others are as in `value`, which has none of `mask`.
template <class U>
struct Bounds {
  using S = std::make_signed_t<U>;
  U value = 0, mask = std::numeric_limits<U>::max();
  U umin = 0, umax = std::numeric_limits<U>::max();
  S smin = std::numeric_limits<S>::min(), smax = std::numeric_limits<S>::max();

  static Bounds constant(U c) { return {c, 0, c, c, S(c), S(c)}; }
  static Bounds none() { return {0, 0, 1, 0, 1, 0}; }  // no number at all
  U possible() const { return value | mask; }          // bits that may be set
  bool is_none() const { return umin > umax || smin > smax; }
  bool is_constant() const { return umin == umax; }
  bool contains(U x) const {
    return (x & ~mask) == value && umin <= x && x <= umax && smin <= S(x) && S(x) <= smax;
  }
  friend bool operator==(const Bounds&, const Bounds&) = default;
};

// What is known of a number that is in one of both, and in both.
template <class U>
Bounds<U> join(const Bounds<U>& a, const Bounds<U>& b);
template <class U>
Bounds<U> meet(const Bounds<U>& a, const Bounds<U>& b);
// `now`, which contains `before`, with what moved let go of: repeating it soon ends.
template <class U>
Bounds<U> widen(const Bounds<U>& before, const Bounds<U>& now);
// Draws from each of the views what it says of the others.
template <class U>
void settle(Bounds<U>& b);

// What a binary operation (Add to AShr) of that width makes of them. Neither may be none.
template <class U>
Bounds<U> compute(Opcode op, const Bounds<U>& a, const Bounds<U>& b);
// Cuts off what cannot be where the condition holds, or where it does not; none if that never is.
template <class U>
void assume(Opcode op, bool holds, Bounds<U>& a, Bounds<U>& b);

}  // namespace epass
