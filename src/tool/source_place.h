#pragma once
#include "driver/input.h"
#include "tool/diagnostic.h"

namespace epass::tool {

// Fills in what the file knows about instruction `insn` of a function: section, name, source line, text.
void show_place(Diagnostic& diagnostic, const driver::CodeFile& file, bpf::FunctionId id, uint32_t insn);

}  // namespace epass::tool
