#pragma once
// What registers and the allocator's slots hold: equal numbers, equal values.

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <tuple>
#include <vector>

#include "codegen/layout.h"
#include "codegen/machine.h"

namespace epass {

// Registers that a record reads and writes, as bits. Calls read r1-r5: their number of arguments is not
// known.
struct Touched {
  uint16_t reads = 0, writes = 0;
  bool in_place = false;  // the destination is read, too
};
Touched touched_by(bpf::Insn insn);

class Contents {
 public:
  // 0: nothing is known. Constants and addresses have numbers of their own, with kMade set.
  using Number = uint32_t;
  static constexpr Number kMade = 1u << 31;
  struct State {
    bool reached = false;
    std::array<Number, 11> regs = {};
    std::vector<Number> slots = {};
    friend bool operator==(const State&, const State&) = default;
  };

  Contents(const MFunction& mf, const std::vector<Chunk>& chunks, const bpf::NewCode& code);

  // Finds the state at the beginning of each block; false if that took too long.
  bool solve();
  const State& at_start(uint32_t block) const { return in_[block]; }
  // Goes over the record at `n`, which may be a new one.
  void step(State& state, uint32_t n, bpf::Insn insn);

  // Number of the slot at that offset from the frame pointer, or -1: not ours.
  int slot_of(int16_t off) const { return off < 0 && off >= -bpf::kStackSize ? slots_[size_t(-off)] : -1; }
  // The slot that a fill reads or a spill writes, or -1.
  int filled_slot(bpf::Insn insn) const;
  int spilled_slot(bpf::Insn insn) const;
  size_t slot_count() const { return slot_count_; }

  Number constant(uint64_t value) { return made({0, 0, value}); }
  // What the record at `n` makes out of nothing, or 0.
  Number makes(uint32_t n, bpf::Insn insn);

 private:
  Number made(std::tuple<uint32_t, uint32_t, uint64_t> key) {
    return made_.try_emplace(key, kMade | uint32_t(made_.size() + 1)).first->second;
  }
  static void define(State& state, uint32_t reg, Number number);

  const MFunction& mf_;
  const std::vector<Chunk>& chunks_;
  const bpf::NewCode& code_;
  std::vector<State> in_;
  std::array<int8_t, bpf::kStackSize + 1> slots_ = {};
  size_t slot_count_ = 0;
  std::map<std::tuple<uint32_t, uint32_t, uint64_t>, Number> made_;
};

}  // namespace epass
