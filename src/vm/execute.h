#pragma once
// The interpreter: one implementation of what every operation means, in three variants. Dispatch is threaded:
// each operation jumps to the code of the next.
//
// The meter: control that arrives somewhere is charged for all instructions up to the next jump, call or exit
// at once. If so many are not left, the stepping variant takes over and stops at the exact count.

#include <cstring>

#include "base/format.h"
#include "vm/dispatch.h"
#include "vm/machine.h"

namespace epass::vm {

// Everything is counted singly; undefined registers and the way are followed where the settings ask for it.
struct StepPolicy {
  static constexpr bool kStep = true, kRaw = false;
};
struct CheckedPolicy {
  static constexpr bool kStep = false, kRaw = false;
};
// Addresses are the host's, and right.
struct RawPolicy {
  static constexpr bool kStep = false, kRaw = true;
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"

template <class P>
struct Execution {
  Machine& m;
  State& s;
  uint64_t r[11];
  const Op* const ops;
  uint32_t defined;
  int64_t steps = INT64_MAX;  // StepPolicy: stop after so many

  explicit Execution(Machine& machine)
      : m(machine), s(*machine.state_), ops(machine.executable_.ops().data()), defined(machine.defined_) {
    std::memcpy(r, s.regs.data(), sizeof r);
  }
  void leave() {
    std::memcpy(s.regs.data(), r, sizeof r);
    m.defined_ = defined;
  }

  template <class T>
  bool load(uint64_t address, T& value) {
    if constexpr (P::kRaw) {
      std::memcpy(&value, reinterpret_cast<const void*>(address), sizeof value);
      return true;
    }
    if (const uint8_t* host = m.memory_.at(address, sizeof value, Access::kRead)) [[likely]] {
      std::memcpy(&value, host, sizeof value);
      return true;
    }
    return m.memory_.read(address, &value, sizeof value);
  }
  template <class T>
  bool store(uint64_t address, T value) {
    if constexpr (P::kRaw) {
      std::memcpy(reinterpret_cast<void*>(address), &value, sizeof value);
      return true;
    }
    if (uint8_t* host = m.memory_.at(address, sizeof value, Access::kWrite)) [[likely]] {
      std::memcpy(host, &value, sizeof value);
      return true;
    }
    return m.memory_.write(address, &value, sizeof value);
  }

  // What every step begins with where steps are counted. False: the end.
  bool step(const Op* pc) {
    if (steps-- <= 0) return false;
    if (pc->code == OpCode::kLeaves) return true;  // no instruction
    m.at_ = uint32_t(pc - ops);
    if (m.settings_.visited || m.settings_.observe) {
      const uint32_t function = m.executable_.function_of(m.at_);
      const Executable::Function& fn = m.executable_.function(function);
      if (m.settings_.observe) m.host_->before(function, m.at_ - fn.begin, r);
      if (m.settings_.visited) m.settings_.visited->push_back(fn.section_insn + m.at_ - fn.begin);
    }
    if (--s.left >= 0) return true;
    m.fail(std::string(kBudgetUsedUp));
    return false;
  }
  bool is_defined(int reg) {
    if (defined >> reg & 1 || !m.settings_.track) return true;
    m.read_undefined();
    return false;
  }

  bool run(uint32_t start, uint64_t base_depth);
};

template <class P>
bool Execution<P>::run(uint32_t start, uint64_t base_depth) {
  static const void* const labels[] = {
#define EPASS_VM_OP(name) &&L##name,
#include "vm/opcodes.def"
  };
  const Op* pc = ops + start;
  uint64_t address = 0, result = 0;
  uint32_t size = 0, function = 0;
  EPASS_ARRIVE(pc);

  EPASS_ALU(Add, x + y)
  EPASS_ALU(Sub, x - y)
  EPASS_ALU(Mul, x * y)
  EPASS_ALU(Div, y ? x / y : 0)
  EPASS_ALU(Sdiv, y == 0 ? 0 : sy == -1 ? 0 - x : decltype(x + y)(sx / sy))
  EPASS_ALU(Mod, y ? x % y : x)
  EPASS_ALU(Smod, y == 0 ? x : sy == -1 ? 0 : decltype(x + y)(sx % sy))
  EPASS_ALU(Or, x | y)
  EPASS_ALU(And, x & y)
  EPASS_ALU(Xor, x ^ y)
  EPASS_ALU(Lsh, x << (y & (sizeof(x) * 8 - 1)))
  EPASS_ALU(Rsh, x >> (y & (sizeof(x) * 8 - 1)))
  EPASS_ALU(Arsh, sx >> (y & (sizeof(x) * 8 - 1)))
  EPASS_ALU_FORM(Mov64K, uint64_t, int64_t, false, pc->imm, false, y)
  EPASS_ALU_FORM(Mov64X, uint64_t, int64_t, false, r[pc->src], true, y)
  EPASS_ALU_FORM(Mov32K, uint32_t, int32_t, false, pc->imm, false, y)
  EPASS_ALU_FORM(Mov32X, uint32_t, int32_t, false, r[pc->src], true, y)
  EPASS_UNARY(Neg64, dst, 0 - v)
  EPASS_UNARY(Neg32, dst, uint32_t(0 - v))
  EPASS_UNARY(Sext64From8, src, uint64_t(int64_t(int8_t(v))))
  EPASS_UNARY(Sext64From16, src, uint64_t(int64_t(int16_t(v))))
  EPASS_UNARY(Sext64From32, src, uint64_t(int64_t(int32_t(v))))
  EPASS_UNARY(Sext32From8, src, uint32_t(int32_t(int8_t(v))))
  EPASS_UNARY(Sext32From16, src, uint32_t(int32_t(int16_t(v))))
  EPASS_UNARY(Zext16, dst, uint16_t(v))
  EPASS_UNARY(Zext32, dst, uint32_t(v))
  EPASS_UNARY(Keep64, dst, v)
  EPASS_UNARY(Swap16, dst, __builtin_bswap16(uint16_t(v)))
  EPASS_UNARY(Swap32, dst, __builtin_bswap32(uint32_t(v)))
  EPASS_UNARY(Swap64, dst, __builtin_bswap64(v))

  EPASS_OP(LoadImm) {
    r[pc->dst] = pc->imm;
    EPASS_SETS(pc->dst);
    pc += 2;
    EPASS_GO();
  }
  EPASS_OP(LoadAddress) {
    m.at_ = uint32_t(pc - ops);
    r[pc->dst] = m.load_address(*pc);
    EPASS_SETS(pc->dst);
    if (s.stop) goto fault;
    pc += 2;
    EPASS_GO();
  }

  EPASS_LOAD(Load1, uint8_t, uint64_t)
  EPASS_LOAD(Load2, uint16_t, uint64_t)
  EPASS_LOAD(Load4, uint32_t, uint64_t)
  EPASS_LOAD(Load8, uint64_t, uint64_t)
  EPASS_LOAD(LoadSigned1, int8_t, int64_t)
  EPASS_LOAD(LoadSigned2, int16_t, int64_t)
  EPASS_LOAD(LoadSigned4, int32_t, int64_t)
  EPASS_STORE(StoreK1, uint8_t, pc->imm, false)
  EPASS_STORE(StoreK2, uint16_t, pc->imm, false)
  EPASS_STORE(StoreK4, uint32_t, pc->imm, false)
  EPASS_STORE(StoreK8, uint64_t, pc->imm, false)
  EPASS_STORE(StoreX1, uint8_t, r[pc->src], true)
  EPASS_STORE(StoreX2, uint16_t, r[pc->src], true)
  EPASS_STORE(StoreX4, uint32_t, r[pc->src], true)
  EPASS_STORE(StoreX8, uint64_t, r[pc->src], true)
  EPASS_OP(Atomic) {
    EPASS_USES(pc->dst);
    EPASS_USES(pc->src);
    const bool compares = pc->imm == bpf::kCmpxchg;
    if (compares) EPASS_USES(0);
    m.at_ = uint32_t(pc - ops);
    result = r[0];  // what cmpxchg compares with
    if (!m.atomic(*pc, r[pc->dst] + uint64_t(int64_t(pc->off)), r[pc->src], result)) goto fault;
    if (compares || pc->imm & bpf::kFetch) {
      const int to = compares ? 0 : pc->src;
      r[to] = result;
      EPASS_SETS(to);
    }
    EPASS_NEXT();
  }
  EPASS_OP(PacketAbs)
  EPASS_OP(PacketInd) {
    EPASS_USES(6);
    if (pc->code == OpCode::kPacketInd) EPASS_USES(pc->src);
    m.at_ = uint32_t(pc - ops);
    const uint64_t offset = pc->imm + (pc->code == OpCode::kPacketInd ? uint32_t(r[pc->src]) : 0);
    leave();
    if (!m.packet_load(*pc, uint32_t(offset))) goto fault;
    r[0] = s.regs[0];
    if constexpr (P::kStep) defined = (defined & ~0x3eu) | 1;
    EPASS_NEXT();
  }

  EPASS_JUMP(Jeq, x == y)
  EPASS_JUMP(Jne, x != y)
  EPASS_JUMP(Jgt, x > y)
  EPASS_JUMP(Jge, x >= y)
  EPASS_JUMP(Jlt, x < y)
  EPASS_JUMP(Jle, x <= y)
  EPASS_JUMP(Jset, (x & y) != 0)
  EPASS_JUMP(Jsgt, sx > sy)
  EPASS_JUMP(Jsge, sx >= sy)
  EPASS_JUMP(Jslt, sx < sy)
  EPASS_JUMP(Jsle, sx <= sy)
  EPASS_OP(Ja) { EPASS_ARRIVE(ops + pc->target); }
  EPASS_OP(MayGoto) {
    if (--s.may_goto_left == 0) {
      s.may_goto_left = s.may_goto_rounds;
      EPASS_ARRIVE(ops + pc->target);
    }
    EPASS_ARRIVE(pc + 1);
  }
  EPASS_OP(Gotox) {
    EPASS_USES(pc->dst);
    m.at_ = uint32_t(pc - ops);
    size = m.executable_.code_target(m.executable_.function_of(m.at_), r[pc->dst]);
    if (size == UINT32_MAX) {
      m.fail("jump to no instruction");
      goto fault;
    }
    EPASS_ARRIVE(ops + size);
  }
  EPASS_OP(CallFunction) {
    function = pc->target;
    goto call;
  }
  EPASS_OP(CallRegister) {
    EPASS_USES(pc->dst);
    m.at_ = uint32_t(pc - ops);
    address = r[pc->dst];
    if (auto found = m.function_at(address)) {
      function = *found;
      goto call;
    }
    leave();
    if (address > INT32_MAX)
      m.fail(format("calls {:#x}, which is no function", address));
    else
      result = m.call_helper(int32_t(address));
    goto called;
  }
  EPASS_OP(CallHelper) {
    m.at_ = uint32_t(pc - ops);
    leave();
    result = m.call_helper(int32_t(pc->imm));
    goto called;
  }
  EPASS_OP(CallSymbol) {
    m.at_ = uint32_t(pc - ops);
    leave();
    result = m.call_symbol(pc->target);
    goto called;
  }
  EPASS_OP(Exit) {
    if (s.depth == base_depth) return leave(), true;
    Machine::Frame& frame = m.frames_[--s.depth];
    std::memcpy(r + 6, frame.saved.data(), sizeof frame.saved);
    r[10] = m.frame_top(s.depth);
    if constexpr (P::kStep) defined = (frame.defined & ~0x3fu) | (defined & 1);
    EPASS_ARRIVE(ops + frame.return_op);
  }
  EPASS_OP(Fault) {
    m.at_ = uint32_t(pc - ops);
    m.fail(m.executable_.message(*pc));
    return leave(), false;
  }
  EPASS_OP(Leaves) {
    if constexpr (!P::kStep) m.at_ = uint32_t(pc - ops) - (pc > ops);
    m.fail("control leaves the function");
    return leave(), false;
  }

call:
  if (s.depth == kMaxFrames) {
    m.at_ = uint32_t(pc - ops);
    m.fail("more than 16 nested calls");
    return leave(), false;
  }
  {
    Machine::Frame& frame = m.frames_[s.depth];
    std::memcpy(frame.saved.data(), r + 6, sizeof frame.saved);
    frame.return_op = uint32_t(pc - ops) + 1;
    frame.defined = uint16_t(defined);
    m.prepare_frame(s.depth++);
    r[10] = m.frame_top(s.depth);
    if constexpr (P::kStep) defined &= 0x43e;
    EPASS_ARRIVE(ops + m.executable_.function(function).begin);
  }
called:
  if (s.stop) [[unlikely]] {
    if (s.stop != Machine::kTailCall) return false;
    r[0] = r[2] = r[3] = r[4] = r[5] = 0;
    r[1] = s.regs[1];
    if constexpr (P::kStep) defined = 0x402;
    EPASS_ARRIVE(ops + m.begin_tail_call());
  }
  r[0] = result;
  r[1] = r[2] = r[3] = r[4] = r[5] = 0;
  if constexpr (P::kStep) defined = (defined & ~0x3fu) | uint32_t(m.r0_defined_);
  m.r0_defined_ = true;
  EPASS_ARRIVE(pc + 1);

bad_load:
  m.at_ = uint32_t(pc - ops);
  m.fail(format("reads {} bytes at {}", size, m.memory_.place(address)), address);
  goto fault;
bad_store:
  m.at_ = uint32_t(pc - ops);
  m.fail(format("writes {} bytes at {}", size, m.memory_.place(address)), address);
fault:
  // What comes behind in the run was charged, and is not done.
  if constexpr (!P::kStep) s.left += pc->run - 1;
  return leave(), false;
[[maybe_unused]] no_time:
  s.left += pc->run;
  leave();
  if constexpr (!P::kStep) {
    Execution<StepPolicy> slow(m);
    return slow.run(uint32_t(pc - ops), base_depth);
  }
  return false;
}

#pragma GCC diagnostic pop

}  // namespace epass::vm
