#pragma once
#include <string>

#include "base/result.h"
#include "ir/function.h"

namespace epass {

// Where `verify` found fault, for callers that know better names than ids.
struct Fault {
  Inst inst = {};
  Value value = {};  // the value used where it is not defined
  std::string why = {};
};

// Checks every invariant of the form (verify.cc lists them). The error names block and instruction.
Result<void> verify(const Function& fn, Fault* fault = nullptr);

}  // namespace epass
