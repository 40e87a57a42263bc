#pragma once
// Random programs that the kernel accepts as sched_cls and that always end: the whole arithmetic of the ISA,
// jumps, bounded loops, stack memory of all sizes, atomics, subprograms, many live values. Same seed, same
// program.

#include <cstdint>
#include <vector>

#include "bpf/insn.h"

namespace epass {

std::vector<bpf::Insn> random_program(uint64_t seed);

}  // namespace epass
