#pragma once
#include "base/result.h"
#include "bpf/insn.h"
#include "ir/function.h"

namespace epass {

// Whether legalize() would leave `fn` alone.
bool is_legal(const Function& fn, bpf::Isa isa);

// Rewrites what the ISA level lacks by what it has. Error `isa`: an operation that has no equivalent below
// its level.
Result<void> legalize(Function& fn, bpf::Isa isa);

}  // namespace epass
