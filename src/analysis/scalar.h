#pragma once
// What is known of a value as a number, in the terms of the kernel's verifier: its bits and its unsigned and
// signed bounds, as a word of 64 bits and as its low half.

#include <optional>

#include "analysis/bounds.h"

namespace epass {

struct Scalar {
  Bounds<uint64_t> word = {};
  Bounds<uint32_t> half = {};

  static Scalar constant(uint64_t c) {
    return {Bounds<uint64_t>::constant(c), Bounds<uint32_t>::constant(uint32_t(c))};
  }
  static Scalar none() { return {Bounds<uint64_t>::none(), Bounds<uint32_t>::none()}; }
  // No more than `most`, unsigned.
  static Scalar up_to(uint64_t most);
  // What a load of that size makes.
  static Scalar loaded(MemSize size);

  bool is_none() const { return word.is_none() || half.is_none(); }
  std::optional<uint64_t> constant() const {
    return word.is_constant() ? std::optional(word.umin) : std::nullopt;
  }
  bool contains(uint64_t x) const { return word.contains(x) && half.contains(uint32_t(x)); }
  friend bool operator==(const Scalar&, const Scalar&) = default;
};

// A number that is in one of both, and in both.
Scalar join(const Scalar& a, const Scalar& b);
Scalar meet(const Scalar& a, const Scalar& b);
// `now`, which contains `before`, with what moved let go of.
Scalar widen(const Scalar& before, const Scalar& now);

// What instructions make of numbers, as in ir/eval.h. Of none they make none.
Scalar compute(Opcode op, Width width, const Scalar& a, const Scalar& b);
Scalar compute(Opcode op, Width width, const Scalar& a);
// Cuts off what cannot be where the condition holds, or where it does not; none if that never is.
void assume(Opcode op, Width width, bool holds, Scalar& a, Scalar& b);
// Whether the condition always or never holds.
std::optional<bool> decide(Opcode op, Width width, const Scalar& a, const Scalar& b);

}  // namespace epass
