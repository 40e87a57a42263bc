#pragma once
#include <algorithm>
#include <array>

#include "lift/flow.h"
#include "lift/lift.h"
#include "lift/phis.h"

namespace epass {

// Lifts one function. lift.cc builds blocks, parameters and edges, decode.cc the instructions.
class Lifter {
 public:
  Lifter(const bpf::Program& program, bpf::FunctionId id, const CallFacts& facts)
      : program_(program), in_(program.functions[id]), facts_(facts) {}

  Result<Function> run();

 private:
  using State = std::array<Value, 10>;

  // The own frame is one rigid slot. Its addresses are counted from its upper end until its size is known.
  void finish_frame();

  void make_blocks(const PhiPlaces& phis);

  void start_block(uint32_t b) {
    block_ = blocks_[b];
    state_ = b == 0 ? entry_state_ : exit_state_[flow_.idom[b]];
    auto params = out_.params(block_);
    size_t first = b == 0 && !entry_jump_ ? params.size() : 0;
    for (size_t k = 0; k < params_[b].size() && first == 0; ++k) state_[size_t(params_[b][k])] = params[k];
  }

  // What register `r` holds where nothing was written to it: one value a register, at the start of the
  // function.
  Value undef(int r);

  // Values of registers. r10 is an address in place.
  Value read(int r) {
    if (r == bpf::kFrameRegister) return slot_address({});
    Value v = state_[size_t(r)];
    return v ? v : undef(r);
  }
  Value slot_address(Home home) {
    if (!frame_) frame_ = out_.slots.add({});
    Value v = add({.op = Opcode::SlotAddr, .slot = frame_}, {}, home);
    frame_addresses_.push_back(out_.def(v));
    return v;
  }
  Value constant(int64_t imm, uint32_t core = kNoCore) {
    return add({.op = Opcode::Const, .imm = imm, .core = core}, {}, {});
  }

  Value add(InstData data, std::initializer_list<Value> operands, Home home) {
    data.origin = index_;
    return out_.insts[out_.append(block_, data, std::span(operands.begin(), operands.size()), home)].result;
  }
  void define(int r, InstData data, std::initializer_list<Value> operands) {
    Value v = add(data, operands, Home::reg(r));
    if (r < 10) state_[size_t(r)] = v;
  }

  void clobber() {
    for (size_t r = 1; r <= 5; ++r) state_[r] = {};
  }

  uint32_t core_at(uint32_t index) const {
    auto it = std::ranges::lower_bound(in_.core, index, {}, &bpf::CoreRecord::insn);
    return it != in_.core.end() && it->insn == index ? it->id : kNoCore;
  }

  std::unexpected<Error> unknown(bpf::Insn insn, const std::string& why) {
    char code[8];
    std::snprintf(code, sizeof code, "0x%02x", insn.code);
    return fail("insn-unknown", "opcode " + std::string(code) + " " + why,
                {.section = in_.section, .function = in_.name, .insn = index_});
  }

  Result<void> lift_block(uint32_t b);

  Result<void> lift_insn(uint32_t i);

  Result<void> lift_ld(bpf::Insn insn);

  static MemSize size_of(bpf::Insn insn) {
    switch (bpf::access_bytes(insn.code)) {
      case 1: return MemSize::kU8;
      case 2: return MemSize::kU16;
      case 4: return MemSize::kU32;
      default: return MemSize::kU64;
    }
  }

  Result<void> lift_ldx(bpf::Insn insn);

  Result<void> lift_st(bpf::Insn insn);

  Result<void> lift_stx(bpf::Insn insn);

  Result<void> lift_alu(bpf::Insn insn);

  Result<void> lift_mov(bpf::Insn insn, Width w, bool reg);

  Result<void> lift_end(bpf::Insn insn, bool wide, bool big);

  Result<void> lift_jmp(bpf::Insn insn);

  Result<void> lift_call(bpf::Insn insn);

  void connect(uint32_t b);
  std::vector<Value> arguments(uint32_t target) {
    std::vector<Value> args;
    for (int r : params_[target]) args.push_back(state_[size_t(r)] ? state_[size_t(r)] : undef(r));
    return args;
  }

  const bpf::Program& program_;
  const bpf::Function& in_;
  const CallFacts& facts_;
  Function out_;
  Flow flow_;
  std::vector<Block> blocks_;
  std::vector<std::vector<int>> params_;
  std::vector<State> exit_state_;
  State entry_state_, state_;
  Block entry_, block_;
  std::array<Value, 10> undefs_;
  Slot frame_;
  std::vector<Inst> frame_addresses_;
  uint32_t index_ = 0;
  bool entry_jump_ = false;
};

}  // namespace epass
