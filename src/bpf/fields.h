#pragma once
// Whether single instructions are what the kernel defines: known operations, registers that exist, reserved
// fields that are zero.

#include <cstdint>
#include <span>
#include <string>

#include "bpf/insn.h"

namespace epass::bpf {

// Why the instruction at `index` is none, "" if it is one. Of ld_imm64 both records are looked at.
std::string field_fault(std::span<const Insn> insns, uint32_t index);

}  // namespace epass::bpf
