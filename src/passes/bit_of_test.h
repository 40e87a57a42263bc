#pragma once
// What a test says, as arithmetic instead of a branch.

#include <optional>
#include <vector>

#include "analysis/ranges.h"

namespace epass {

// Instructions one after the other: the first computes on `start`, each other one on the result before it.
struct Steps {
  struct Step {
    Opcode op = Opcode::Add;
    Width width = Width::k64;
    Value right = {};  // none: the constant
    uint64_t constant = 0;
  };
  Value start = {};
  std::vector<Step> list = {};
};

// How to compute `taken` if the test at the end `end` of a block holds and `otherwise` if not, of which one
// is 0 and the other a power of two; none if that takes more than two instructions, or if what is tested may
// be an address.
std::optional<Steps> bit_of_test(const Function& fn, const Ranges& ranges, Inst end, uint64_t taken,
                                 uint64_t otherwise);

}  // namespace epass
