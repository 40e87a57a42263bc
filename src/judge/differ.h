#pragma once
// When two runs count as different. What the original leaves open decides nothing: reads of undefined
// registers, faults, contents of fresh stack, addresses of frames.

#include <functional>
#include <string>

#include "vm/vm.h"

namespace epass::judge {

// The original on the same input, but with other values of vm::Input::indeterminate.
using Again = std::function<vm::Outcome(uint64_t indeterminate)>;
constexpr uint64_t kWorlds = 8;

// False if this run of the original cannot tell anything about another program.
bool decides(const vm::Outcome& original);

// Both ended well and are equal in every respect.
bool same(const vm::Outcome& a, const vm::Outcome& b);

// Why `b` is not `a`, "" if it is. What differs between runs of the original in worlds 0 to kWorlds - 1 is
// left out; `again` is asked only if something differs. Both ran with Options::keep_contents.
std::string difference(const vm::Outcome& a, const vm::Outcome& b, const Again& again);

}  // namespace epass::judge
