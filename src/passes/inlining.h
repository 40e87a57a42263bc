#pragma once
// Puts the code of a function in place of a call.

#include "ir/function.h"

namespace epass {

// Puts a copy of `callee` in place of `call`. Its frame lies below byte `frame` of the caller's. `records`
// are the numbers of records that both had in the input.
void inline_call(Function& caller, Inst call, const Function& callee, bpf::FunctionId callee_id,
                 uint32_t frame, uint32_t caller_records, uint32_t callee_records);

}  // namespace epass
