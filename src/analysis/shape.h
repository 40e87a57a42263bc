#pragma once
#include "ir/function.h"

namespace epass {

// All of an instruction but its operands as one number: equal for equal instructions.
uint64_t shape_of(const InstData& d);

}  // namespace epass
