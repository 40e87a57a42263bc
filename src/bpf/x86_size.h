#pragma once
// How many bytes of machine code the kernel's JIT for x86-64 makes of bytecode (docs/cost-model.md).
//
// An estimate without the kernel: it knows the JIT's encodings, not what the verifier rewrites first. Loads
// through kernel pointers get a guard there, accesses to the context become others, some helpers are inlined,
// dead code goes. For two versions of the same function all of that is mostly the same, so differences are
// closer to the truth than sizes.

#include <cstdint>
#include <span>
#include <vector>

#include "bpf/program.h"

namespace epass::bpf {

struct X86Target {
  bool bmi2 = true;           // shlx and its like for shifts by a register
  uint32_t prologue = 12;     // all that stands at the top of every function, pushes and stack left out
  uint32_t return_bytes = 1;  // 5 where returns go through a thunk
};

// Bytes of each record's machine code; jumps are in their final form. The second record of an ld_imm64 has 0.
std::vector<uint16_t> x86_lengths(std::span<const Insn> insns, std::span<const Attachment> attachments,
                                  const X86Target& target = {});

// Bytes of the whole function.
uint32_t x86_size(std::span<const Insn> insns, std::span<const Attachment> attachments,
                  const X86Target& target = {});

}  // namespace epass::bpf
