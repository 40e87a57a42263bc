#pragma once
// Which blocks and which directions of branches of a program have been run.

#include <cstdint>
#include <vector>

#include "bpf/program.h"

namespace epass::judge {

// Whether a conditional jump with these operands is taken.
bool jumps(bpf::Insn insn, uint64_t x, uint64_t y);

// A place in a program.
struct Place {
  bpf::FunctionId function = {};
  uint32_t insn = 0;
};

class Coverage {
 public:
  // Everything that can be reached from the entry: calls and callbacks count.
  Coverage(const bpf::Program& program, bpf::FunctionId entry);

  // Notes an instruction that runs; true if its block is new.
  bool visit(bpf::FunctionId function, uint32_t insn) {
    uint8_t& state = blocks_[function.index][insn];
    if (state != kUnseen) return false;
    state = kSeen;
    ++covered_;
    return true;
  }
  // Notes a direction of a conditional jump; true if it is new.
  bool branch(bpf::FunctionId function, uint32_t insn, bool taken) {
    uint8_t& seen = branches_[function.index][insn];
    const uint8_t bit = taken ? 2 : 1;
    if (seen & bit) return false;
    seen = static_cast<uint8_t>(seen | bit);
    return true;
  }
  bool has_branch(bpf::FunctionId function, uint32_t insn, bool taken) const {
    return branches_[function.index][insn] & (taken ? 2 : 1);
  }
  uint32_t blocks() const { return total_; }
  uint32_t covered() const { return covered_; }
  // A block that no run reached.
  std::vector<Place> missing() const;

 private:
  enum State : uint8_t { kNoBlock, kUnseen, kSeen };
  std::vector<std::vector<uint8_t>> blocks_, branches_;  // by function and instruction
  uint32_t total_ = 0, covered_ = 0;
};

}  // namespace epass::judge
