#pragma once
// The parts of check(). Internal to it.

#include "bpf/check.h"

namespace epass::bpf {

// Control flow of one function whose instructions are well-formed.
struct FlowGraph {
  struct Block {
    uint32_t begin = 0, end = 0;  // records
    std::vector<uint32_t> next = {};
  };
  std::vector<Block> blocks = {};       // sorted by begin; the first one is the entry
  std::vector<uint32_t> block_of = {};  // per record, of those that begin one; else UINT32_MAX
};

// Registers and stack accesses, by data flow over the blocks.
void check_registers(const Program& program, FunctionId id, const FlowGraph& graph,
                     std::vector<Fault>& faults);

// The symbol that the instruction refers to, null if none.
const Symbol* symbol_at(const Program& program, const Function& fn, uint32_t insn);

}  // namespace epass::bpf
