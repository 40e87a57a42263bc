#pragma once
// The control flow graph of one function's bytecode, and what each instruction does to registers.

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "bpf/program.h"
#include "lift/lift.h"

namespace epass {

// Bits 0-9: r0-r9, the variables of SSA construction.
using VarMask = uint64_t;
constexpr int kMaxVars = 10;

struct FlowBlock {
  uint32_t begin = 0, end = 0;  // records
  ListRef succs = {};           // in Flow::neighbours: jump target first, fall-through last
  ListRef preds = {};
  VarMask live_in = 0;
  bool runs_off = false;  // ends in a call that does not return
};

struct Flow {
  std::vector<FlowBlock> blocks;  // reachable ones, in order of their code
  std::vector<uint32_t> rpo;      // block numbers
  ListPool<uint32_t> neighbours;
  std::vector<uint32_t> idom, level;  // dominator tree; the entry is its own idom

  std::span<const uint32_t> succs(uint32_t b) const { return neighbours.span(blocks[b].succs); }
  std::span<const uint32_t> preds(uint32_t b) const { return neighbours.span(blocks[b].preds); }
};

struct RegisterEffect {
  VarMask uses = 0, defs = 0;
};

// Registers read and written. Calls write r0-r5; unknown callees read r1-r5 in place.
RegisterEffect register_effect(const bpf::Program& program, const bpf::Function& fn, uint32_t index,
                               const CallFacts& facts);
// How many argument registers the call at `index` passes; -1: unknown, read in place.
int call_arguments(const bpf::Program& program, const bpf::Function& fn, uint32_t index,
                   const CallFacts& facts);

const bpf::Attachment* attachment_at(const bpf::Function& fn, uint32_t index);

Result<Flow> build_flow(const bpf::Program& program, const bpf::Function& fn);
void compute_dominators(Flow& flow);

}  // namespace epass
