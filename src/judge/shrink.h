#pragma once
// Makes a program smaller while something stays true of it: deletes ranges of instructions (jumps and calls
// into them lead to what follows), replaces instructions by constants and branches by jumps, and makes
// constants smaller. The same program and the same answers give the same result.

#include <functional>
#include <string>
#include <vector>

#include "bpf/program.h"

namespace epass::judge {

using StillHolds = std::function<bool(const std::vector<bpf::Insn>&)>;
// `tries` bounds how often `holds` is asked.
std::vector<bpf::Insn> shrink(std::vector<bpf::Insn> insns, const StillHolds& holds, int tries = 4000);

// The same for one function of an object: what instructions refer to goes with them. Functions with jump
// tables stay as they are.
bpf::NewCode shrink(const bpf::Function& fn, const std::function<bool(const bpf::NewCode&)>& holds,
                    int tries = 4000);

// A function as it is, and one that does nothing: `r0 = 0; exit`.
bpf::NewCode code_of(const bpf::Function& fn);
bpf::NewCode empty_code();

}  // namespace epass::judge
