#pragma once
#include "base/result.h"
#include "ir/function.h"

namespace epass {

// Checks every invariant of the form (verify.cc lists them). The error names block and instruction.
Result<void> verify(const Function& fn);

}  // namespace epass
