#pragma once
// How many instructions the kernel's verifier walks until it accepts a function (docs/cost-model.md).
//
// An estimate without the kernel: it knows where the verifier keeps states to compare with, and in which
// order it walks, not what is in the states. Where two ways meet in a kept state they count as equal, and a
// branch as not decided; a loop is walked once, a call is one instruction. So it is the least that the shape
// of the code allows, and tells what a change of that shape does.

#include <cstdint>
#include <span>

#include "bpf/insn.h"

namespace epass::bpf {

// At most 16 times the number of records. Jumps are in their final form.
uint64_t verifier_work(std::span<const Insn> insns);

}  // namespace epass::bpf
