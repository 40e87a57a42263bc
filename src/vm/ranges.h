#pragma once
// What registers may hold, as far as it tells where an access to the frame lies.

#include <array>
#include <cstdint>
#include <span>

#include "vm/executable.h"

namespace epass::vm {

// A signed number of 64 bits, or how far it lies above r10: from `low` to `high`, and a multiple of `step`
// above `low`. Bounds that are not kFar from zero are exact; what has others has a step of 1.
struct Range {
  static constexpr int64_t kFar = int64_t{1} << 40;
  bool frame = false;
  int64_t low = INT64_MIN, high = INT64_MAX;
  int64_t step = 1;  // 0: a single number

  bool is_bounded() const { return low >= -kFar && high <= kFar; }
  friend bool operator==(const Range&, const Range&) = default;
};
using Ranges = std::array<Range, 11>;  // by register

Range join(const Range& a, const Range& b);
Range sum(const Range& a, const Range& b);
// `grown` was `before` when control came to the same place last. Its bounds go on to the next limit, so that
// loops come to an end soon.
Range widened(const Range& before, const Range& grown, std::span<const int64_t> limits);
// Behind an operation that is no jump.
void execute(const Op& op, Ranges& ranges);
// Behind a conditional jump. False: it never goes that way.
bool assume(const Op& jump, bool taken, Ranges& ranges);

}  // namespace epass::vm
