#pragma once
#include "lift/flow.h"

namespace epass {

// For each block the variables that need a parameter there.
using PhiPlaces = std::vector<VarMask>;

// Fills live_in of every block.
void compute_liveness(const bpf::Program& program, const bpf::Function& fn, const CallFacts& facts,
                      Flow& flow);
// Pruned minimal placement. Needs live_in and dominators.
PhiPlaces place_phis(const bpf::Program& program, const bpf::Function& fn, const CallFacts& facts,
                     const Flow& flow);

}  // namespace epass
