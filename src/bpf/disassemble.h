#pragma once
// One instruction as text, in the syntax of LLVM and the kernel's verifier, with names for numbers.

#include <span>
#include <string>
#include <string_view>

#include "bpf/program.h"

namespace epass::bpf {

// The instruction at `index`. `symbol`: what it refers to, null for nothing. `target`: what to call the place
// that a jump goes to; by itself it is counted from the next instruction, `pc+3`.
std::string disassemble(std::span<const Insn> insns, uint32_t index, const Symbol* symbol = nullptr,
                        std::string_view target = {});

// The same exactly as llvm-objdump prints it: numbers in hexadecimal, `goto +0x3`, `call 0x1`, no names. What
// is no instruction is `<unknown>`.
std::string disassemble_llvm(std::span<const Insn> insns, uint32_t index);

}  // namespace epass::bpf
