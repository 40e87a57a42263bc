#pragma once
// A whole object as llvm-objdump -d prints it: the same words, line by line. The assembler reads it back.

#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "bpf/insn.h"
#include "object/elf.h"

namespace epass::object {

struct DisassemblyOptions {
  bool bytes = true;  // the records in front of their text
};

// Every code section, with the labels of its symbols.
std::string disassembly(const ElfFile& elf, std::string_view name, const DisassemblyOptions& options = {});

// Code without a container: one section `.text` with labels at the starts of functions.
struct FlatLabel {
  uint32_t insn = 0;
  std::string name = {};
};
std::string disassembly(std::span<const bpf::Insn> insns, std::span<const FlatLabel> labels,
                        std::string_view name, const DisassemblyOptions& options = {});

}  // namespace epass::object
