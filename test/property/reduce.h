#pragma once
// Makes a program smaller while something stays true of it.

#include <functional>
#include <string>
#include <vector>

#include "bpf/insn.h"

namespace epass {

using StillFails = std::function<bool(const std::vector<bpf::Insn>&)>;

// Deletes ranges of instructions (jumps and calls into them lead to what follows), replaces instructions by
// constants and makes constants smaller. `tries` bounds how often `fails` is asked.
std::vector<bpf::Insn> reduce(std::vector<bpf::Insn> insns, const StillFails& fails, int tries = 4000);

// The program as text, one line an instruction, jump targets as numbers of lines.
std::string listing(const std::vector<bpf::Insn>& insns);

}  // namespace epass
