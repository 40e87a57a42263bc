#pragma once
// Which words of the frame each instruction touches. Word n is the 8 bytes at fp-8(n+1).

#include <bitset>
#include <optional>
#include <vector>

#include "analysis/memory.h"
#include "bpf/insn.h"

namespace epass {

using Words = uint64_t;
using FrameBytes = std::bitset<bpf::kStackSize>;  // bit n: the byte at fp-(n+1)

// One operand of one instruction.
struct FrameUse {
  Inst inst = {};
  size_t operand = 0;
  int offset = 0;  // of the lowest byte from the frame pointer
  int bytes = 0;
  bool is_read = false, is_written = false;  // all of them

  Words words() const;
  FrameBytes mask() const;
};

struct FrameUses {
  std::vector<FrameUse> list = {};
  // Words that somebody touches who does not say how many: all from an address on that a helper gets. And
  // those that values have as their homes.
  Words fixed = 0;
};

// In the order of `cfg`; none if an address goes where it cannot be followed, or is compared.
std::optional<FrameUses> find_frame_uses(const Function& fn, const Cfg& cfg, const StackAddresses& stack);

}  // namespace epass
