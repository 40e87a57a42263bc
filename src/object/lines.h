#pragma once
// Source lines of rewritten code: which records of .BTF.ext new instructions get.

#include <span>
#include <vector>

#include "bpf/program.h"
#include "object/btf.h"

namespace epass::object {

// The line records of an input function, sorted; their offsets count instructions from its start.
struct OldLines {
  std::span<const ExtRecord> records = {};
  uint32_t size = 0;  // of the function, in instructions
};

// The line records of the new code of function `own`, which stands at instruction `place` of its section.
// Each new instruction has the line of the one it comes from; there are never more records than before, and
// those of each copy of other functions.
std::vector<ExtRecord> lines_of(const std::vector<OldLines>& old, bpf::FunctionId own,
                                const bpf::NewCode& code, uint32_t place);

}  // namespace epass::object
