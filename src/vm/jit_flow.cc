// Jumps and calls in compiled code.
#if defined(__x86_64__)

#include "vm/jit_compiler.h"

namespace epass::vm {

// A conditional jump over an unconditional one, as loops often end: one jump with the opposite condition. The
// meter counts both in advance.
bool JitCompiler::skips_jump(uint32_t i) const {
  const Op& op = ops_[i];
  return op.code >= OpCode::kJeq64K && op.code <= OpCode::kJsle32X && op.target == i + 2 &&
         ops_[i + 1].code == OpCode::kJa && !targets_[i + 1];
}

void JitCompiler::conditional(uint32_t i) {
  const Op& op = ops_[i];
  // In the order of opcodes.def: eq ne gt ge lt le set sgt sge slt sle.
  static constexpr Condition kConditions[] = {kE, kNe, kA, kAe, kB, kBe, kNe, kG, kGe, kL, kLe};
  const unsigned n = unsigned(op.code) - unsigned(OpCode::kJeq64K);
  const bool wide = n % 4 < 2, is_register = n % 2, tests = n / 4 == 6;
  const Xbyak::Reg x = wide ? Xbyak::Reg(reg(op.dst)) : Xbyak::Reg(reg32(op.dst));
  const uint32_t k = uint32_t(op.imm);
  if (is_register) {
    const Xbyak::Reg y = wide ? Xbyak::Reg(reg(op.src)) : Xbyak::Reg(reg32(op.src));
    if (tests)
      test(x, y);
    else
      cmp(x, y);
  } else if (tests) {
    // Without its sign, a mask takes nothing of the upper half.
    if (int32_t(k) >= 0)
      test(reg32(op.dst), k);
    else
      test(x, k);
  } else if (k == 0) {
    test(x, x);
  } else {
    cmp(x, k);
  }
  if (!skips_jump(i)) return jump_to_op(kConditions[n / 4], op.target);
  jump_to_op(Condition(kConditions[n / 4] ^ 1), ops_[i + 1].target);
  if (metered_) add(r12, 1);
}

// A helper, or a function by its address: in C++.
void JitCompiler::call_out(uint32_t i, uint32_t place) {
  mov(at(data_.op), i);
  call_place(place);
  test(r11d, r11d);
  jump_to_stub(kNe, StubKind::kTail, i);
  load_kept();
}

bool JitCompiler::flow(uint32_t i, const Op& op) {
  if (op.code >= OpCode::kJeq64K && op.code <= OpCode::kJsle32X) return conditional(i), true;
  switch (op.code) {
    case OpCode::kJa: jump_to_op(kAlways, op.target); return true;
    case OpCode::kMayGoto: {
      dec(at(data_.state.may_goto_left));
      const size_t stays = jump_ahead(kNe);
      mov(r11, at(data_.state.may_goto_rounds));
      mov(at(data_.state.may_goto_left), r11);
      jump_to_op(kAlways, op.target);
      patch(stays, getSize());
      return true;
    }
    case OpCode::kGotox: {
      const auto& targets = executable_.function(function_).table_targets;
      if (targets.empty()) {
        mov(r11d, i);
        call_place(code_);
        jmp(r11);
        return true;
      }
      mov(r11, reg(op.dst));
      mov(r10, function_address(function_) + kTableEntry);
      sub(r11, r10);
      cmp(r11, uint32_t(targets.size()));
      jump_to_stub(kAe, StubKind::kCode, i);
      lea(r10, qword[rip + static_cast<const void*>(next_table_)]);
      jmp(qword[r10 + r11 * 8]);
      for (uint32_t target : targets)
        table_entries_.push_back(
            {next_table_++, target == UINT32_MAX ? target : executable_.function(function_).begin + target,
             i});
      return true;
    }
    case OpCode::kCallFunction:
      if (checked_) lea(r11, qword[rbp + r9]);
      cmp(checked_ ? r11 : rbp, at(data_.state.frame_limit));
      jump_to_stub(kAe, StubKind::kFrame, i);
      db(0xe8), dd(0);
      calls_.push_back({getSize() - 4, op.target});
      load_kept();
      return true;
    case OpCode::kCallHelper:
    case OpCode::kCallSymbol: call_out(i, helper_); return true;
    case OpCode::kCallRegister:
      mov(at(data_.callee), reg(op.dst));
      call_out(i, register_);
      return true;
    case OpCode::kExit:
      epilogue();
      ret();
      return true;
    default: return false;
  }
}

}  // namespace epass::vm
#endif
