#pragma once
// Where single bytes of a value come from: shifts, masks and swaps only move them.

#include "ir/function.h"

namespace epass {

struct ByteSource {
  enum class Kind : uint8_t {
    kConstant,  // `byte` is its value
    kValue,     // byte number `byte` (0: the lowest) of `value`
  };
  Kind kind = Kind::kConstant;
  Value value = {};
  uint8_t byte = 0;
  friend bool operator==(const ByteSource&, const ByteSource&) = default;
};

// The source of byte `n` of `v`. Bounded work; what cannot be followed is a byte of itself.
ByteSource byte_source(const Function& fn, Value v, unsigned n);

}  // namespace epass
