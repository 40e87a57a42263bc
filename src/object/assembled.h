#pragma once
// An ELF object of what the assembler made.

#include <vector>

#include "base/result.h"
#include "bpf/assemble.h"

namespace epass::object {

Result<std::vector<uint8_t>> object_of(const bpf::Assembly& assembly);

}  // namespace epass::object
