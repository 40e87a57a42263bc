#pragma once
// Finds out which bits of an input a comparison depends on, and how they must be for it to go the other way:
// watches one run and keeps for each bit of each register, and of memory that the program wrote, the bit of
// the input that it is. Moves, masks, shifts, byte swaps and sums with constants keep it, other arithmetic
// loses it.

#include <array>
#include <map>
#include <vector>

#include "bpf/program.h"
#include "judge/coverage.h"
#include "vm/vm.h"

namespace epass::judge {

class Taint : public vm::Observer {
 public:
  // Asked for branches whose other direction `coverage` does not have.
  Taint(const bpf::Program& program, const Coverage& coverage) : program_(program), coverage_(coverage) {}

  struct Hint {
    Place branch = {};
    std::map<uint64_t, uint8_t> bytes = {};     // as Input::bytes
    std::map<uint64_t, uint64_t> answers = {};  // as Input::answers
    std::optional<uint64_t> packet_size = {};
  };
  // A few for each branch, first come first.
  const std::vector<Hint>& hints() const { return hints_; }
  uint64_t packet_size = 0;  // of the input that runs

  void at(bpf::FunctionId function, uint32_t insn, const uint64_t* registers) override;
  void answered(uint64_t call, uint64_t value) override;
  void filled(uint64_t to, uint64_t from, uint32_t size) override;

 private:
  // Where the bits of a value come from: 0 nowhere, else source * 8 + bit + 1. The value without `addend` is
  // what the bits stand for.
  struct Shadow {
    std::array<uint32_t, 64> bits = {};
    uint64_t addend = 0;
    bool any = false;
  };
  struct Source {
    bool is_answer = false;
    uint64_t address = 0;  // or number of the call
    uint8_t byte = 0;      // of an answer: which
    uint8_t value = 0;
  };
  struct Frame {
    uint64_t pointer = 0;
    std::array<Shadow, 11> registers = {};
  };

  Shadow source(bool is_answer, uint64_t address, uint32_t size, uint64_t value);
  Shadow load(uint64_t address, uint32_t size);
  void store(uint64_t address, uint32_t size, const Shadow& value);
  void alu(Frame& frame, bpf::Insn insn, const uint64_t* registers);
  void branch(const Frame& frame, Place place, bpf::Insn insn, const uint64_t* registers);
  void propose(Place place, const Shadow& shadow, uint64_t now, uint64_t wanted, uint32_t width);
  // The program's loads have no values of their own: the register shows it before the next instruction.
  void settle(const uint64_t* registers);

  const bpf::Program& program_;
  const Coverage& coverage_;
  std::vector<Frame> frames_;
  std::vector<Source> sources_;
  std::map<uint64_t, uint32_t> memory_;                       // byte -> first bit of its source + 1
  std::map<uint64_t, std::pair<uint64_t, uint64_t>> filled_;  // to -> from, size
  std::vector<Hint> hints_;
  std::map<std::pair<uint32_t, uint32_t>, int> tries_;
  // A load of input memory that has not been settled: register, address, size.
  int pending_register_ = -1;
  uint64_t pending_address_ = 0;
  uint32_t pending_size_ = 0;
  bool pending_big_ = false;
};

}  // namespace epass::judge
