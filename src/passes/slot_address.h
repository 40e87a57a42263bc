#pragma once
#include <optional>

#include "ir/function.h"

namespace epass {

// The slot and offset that `v` is the address of, through copies and sums with constants, as a `slot_addr`
// without origin.
std::optional<InstData> slot_address(const Function& fn, Value v);

}  // namespace epass
