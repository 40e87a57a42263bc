#pragma once
// Peepholes on code that has its registers, before blocks are laid out.
//
//     r6 = 1                                r6 = 1
//     ...                                   ...
//     r1 = 1                        =>      lock *(u64 *)(r0 + 0) += r6
//     lock *(u64 *)(r0 + 0) += r1
//
// What a register or a slot of ours holds already is not made, moved, filled or stored again.

#include <vector>

#include "codegen/layout.h"
#include "codegen/machine.h"

namespace epass {

// Edges to one block that do the same share their code, and so do blocks that end with it.
void share_edges(const MFunction& mf, std::vector<Chunk>& chunks, const bpf::NewCode& code);

void tidy(const MFunction& mf, std::vector<Chunk>& chunks, bpf::NewCode& code);

}  // namespace epass
