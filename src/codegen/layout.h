#pragma once
#include "codegen/machine.h"

namespace epass {

// The code of one machine block: records begin..end, the last a jump that lay_out() completes or drops.
struct Chunk {
  uint32_t begin = 0, end = 0;
  MKind ends_with = MKind::kReturn;
  uint32_t on_with = UINT32_MAX;  // the block whose code this one's goes on with, if not its successor's
};

// Puts the chunks in their final order and fills in the jumps. Errors: `jump-range`, `jump-table`.
Result<bpf::NewCode> lay_out(const MFunction& mf, std::vector<Chunk> chunks, bpf::NewCode code,
                             const LowerOptions& options);

}  // namespace epass
