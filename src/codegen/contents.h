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

class Contents {
 public:
  // 0: nothing is known. Constants and addresses have numbers of their own, with kMade set.
  using Number = uint32_t;
  static constexpr Number kMade = 1u << 31;
  // What registers hold, then what slots do.
  struct State {
    std::span<Number> holds;
    Number& reg(uint32_t r) const { return holds[r]; }
    Number& slot(int s) const { return holds[kRegisters + uint32_t(s)]; }
  };
  // What is to be known about a record; slots are -1 if they are not ours.
  struct Record {
    Touched touched = {};
    Number makes = 0;   // what it makes out of nothing, or 0
    Number stores = 0;  // the constant that it stores, or 0
    int8_t filled = -1, spilled = -1;
    uint64_t uses = 0, defines = 0;  // registers in the lower bits, then slots as far as they fit
    uint8_t length = 1;
    bool is_core = false;  // the loader changes it
  };

  // Reads all of `code`. Whoever changes it says so with `read` or `remove`.
  Contents(const MFunction& mf, const std::vector<Chunk>& chunks, const bpf::NewCode& code);

  const Record& record(uint32_t n) const { return records_[n]; }
  // The record at `n` is another one now.
  void read(uint32_t n);
  // The bit of a slot in `uses` and `defines`, or -1: it counts as always read.
  static int slot_bit(int slot) { return slot >= 0 && slot < 64 - 16 ? slot + 16 : -1; }
  // Those with a mark are gone, also from the code.
  void remove(std::span<const uint8_t> marks);

  // Finds the state at the beginning of each block; false if that took too long.
  bool solve();
  bool is_reached(uint32_t block) const { return is_reached_[block]; }
  // The state there, in room that the next call takes again.
  State at_start(uint32_t block);
  // Goes over the record at `n`.
  void step(State state, uint32_t n) const;

 private:
  static constexpr uint32_t kRegisters = 11;
  static constexpr Number kSmall = 1u << 30;  // in the number of a constant: the rest is the constant
  Number made(std::tuple<uint32_t, uint32_t, uint64_t> key) {
    return made_.try_emplace(key, kMade | uint32_t(made_.size() + 1)).first->second;
  }
  Number constant(uint64_t value) {
    return value < kSmall ? Number(kMade | kSmall | value) : made({0, 0, value});
  }
  Number makes(uint32_t n, bpf::Insn insn);
  // Number of the slot at that offset from the frame pointer, or -1.
  int8_t slot_of(int16_t off) const { return off < 0 && off >= -bpf::kStackSize ? slots_[size_t(-off)] : -1; }
  State row(std::vector<Number>& of, uint32_t block) const {
    return {std::span(of).subspan(size_t{block} * stride_, stride_)};
  }
  bool merge(State state, uint32_t block);
  void define(State state, uint32_t reg, Number number) const;

  const MFunction& mf_;
  const std::vector<Chunk>& chunks_;
  const bpf::NewCode& code_;
  std::vector<Record> records_;
  size_t stride_ = kRegisters;           // numbers of a state
  std::vector<Number> in_, out_, here_;  // states of all blocks, and one
  std::vector<uint8_t> is_reached_;
  bool may_repeat_ = false;  // a record may run again
  std::array<int8_t, bpf::kStackSize + 1> slots_ = {};
  size_t slot_count_ = 0;
  std::map<std::tuple<uint32_t, uint32_t, uint64_t>, Number> made_;
};

}  // namespace epass
