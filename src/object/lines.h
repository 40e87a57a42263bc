#pragma once
// Source lines of rewritten code: which records of .BTF.ext new instructions get.

#include <span>
#include <vector>

#include "bpf/program.h"
#include "object/btf.h"

namespace epass::object {

// The line records of one function. `old` are those of its old code, which were instructions `begin` to `end`
// of the section, sorted; the new code stands at instruction `place`. Each new instruction has the line of
// the one it comes from; there are never more records than before.
std::vector<ExtRecord> lines_of(std::span<const ExtRecord> old, const bpf::NewCode& code, uint32_t begin,
                                uint32_t end, uint32_t place);

}  // namespace epass::object
