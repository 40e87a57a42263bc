// Arithmetic in compiled code.
#if defined(__x86_64__)

#include <bit>

#include "vm/jit_compiler.h"

namespace epass::vm {

namespace {
// In the order of opcodes.def.
enum Family : unsigned {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kSdiv,
  kMod,
  kSmod,
  kOr,
  kAnd,
  kXor,
  kLsh,
  kRsh,
  kArsh,
  kMov
};
}  // namespace

void JitCompiler::move_constant(const Xbyak::Reg64& to, uint64_t value) {
  if (value == 0)
    xor_(to.cvt32(), to.cvt32());
  else
    mov(to, value);  // the shortest form
}

bool JitCompiler::alu(const Op& op) {
  const int d = op.dst;
  switch (op.code) {
    case OpCode::kNeg64: neg(reg(d)); return true;
    case OpCode::kNeg32: neg(reg32(d)); return true;
    case OpCode::kSext64From8: movsx(reg(d), reg(op.src).cvt8()); return true;
    case OpCode::kSext64From16: movsx(reg(d), reg(op.src).cvt16()); return true;
    case OpCode::kSext64From32: movsxd(reg(d), reg32(op.src)); return true;
    case OpCode::kSext32From8: movsx(reg32(d), reg(op.src).cvt8()); return true;
    case OpCode::kSext32From16: movsx(reg32(d), reg(op.src).cvt16()); return true;
    case OpCode::kZext16: movzx(reg32(d), reg(d).cvt16()); return true;
    case OpCode::kZext32: mov(reg32(d), reg32(d)); return true;
    case OpCode::kKeep64: return true;
    case OpCode::kSwap16:
      ror(reg(d).cvt16(), 8);
      movzx(reg32(d), reg(d).cvt16());
      return true;
    case OpCode::kSwap32: bswap(reg32(d)); return true;
    case OpCode::kSwap64: bswap(reg(d)); return true;
    case OpCode::kLoadImm: move_constant(reg(d), op.imm); return true;
    default: break;
  }
  if (op.code < OpCode::kAdd64K || op.code > OpCode::kMov32X) return false;
  const unsigned n = unsigned(op.code) - unsigned(OpCode::kAdd64K), family = n / 4;
  const bool wide = n % 4 < 2, is_register = n % 2;
  switch (family) {
    case kDiv:
    case kSdiv: divide(op, wide, is_register, family == kSdiv, false); break;
    case kMod:
    case kSmod: divide(op, wide, is_register, family == kSmod, true); break;
    case kLsh:
    case kRsh:
    case kArsh: shift(op, family, wide, is_register); break;
    default: two_operands(op, family, wide, is_register);
  }
  return true;
}

void JitCompiler::two_operands(const Op& op, unsigned family, bool wide, bool is_register) {
  const Xbyak::Reg d = wide ? Xbyak::Reg(reg(op.dst)) : Xbyak::Reg(reg32(op.dst));
  if (is_register) {
    const Xbyak::Reg s = wide ? Xbyak::Reg(reg(op.src)) : Xbyak::Reg(reg32(op.src));
    switch (family) {
      case kAdd: add(d, s); break;
      case kSub: sub(d, s); break;
      case kMul: imul(d, s); break;
      case kOr: or_(d, s); break;
      case kAnd: and_(d, s); break;
      case kXor: xor_(d, s); break;
      default: mov(d, s);
    }
    return;
  }
  // Immediates of 64-bit forms are sign-extended 32 bits, as the processor does it.
  const uint32_t k = uint32_t(op.imm);
  switch (family) {
    case kAdd: add(d, k); break;
    case kSub: sub(d, k); break;
    case kMul: imul(d, d, int(k)); break;
    case kOr: or_(d, k); break;
    case kAnd:
      // Without its sign, a mask clears the upper half as well.
      if (int32_t(k) >= 0)
        and_(reg32(op.dst), k);
      else
        and_(d, k);
      break;
    case kXor: xor_(d, k); break;
    default: move_constant(reg(op.dst), wide ? op.imm : k);
  }
}

void JitCompiler::shift(const Op& op, unsigned family, bool wide, bool is_register) {
  const Xbyak::Reg d = wide ? Xbyak::Reg(reg(op.dst)) : Xbyak::Reg(reg32(op.dst));
  if (!is_register) {
    const int count = int(op.imm) & (wide ? 63 : 31);
    if (count == 0) {
      if (!wide) mov(d, d);
    } else if (family == kLsh) {
      if (count == 1)
        add(d, d);
      else
        shl(d, count);
    } else if (family == kRsh) {
      shr(d, count);
    } else {
      sar(d, count);
    }
    return;
  }
  if (has_bmi2_) {
    const Xbyak::Reg32e s = wide ? Xbyak::Reg32e(reg(op.src)) : Xbyak::Reg32e(reg32(op.src));
    const Xbyak::Reg32e to = wide ? Xbyak::Reg32e(reg(op.dst)) : Xbyak::Reg32e(reg32(op.dst));
    if (family == kLsh)
      shlx(to, to, s);
    else if (family == kRsh)
      shrx(to, to, s);
    else
      sarx(to, to, s);
    return;
  }
  // The count must be in cl.
  mov(r11, rcx);
  if (op.dst == 4) {  // rcx itself is shifted
    if (op.src != 4) mov(rcx, reg(op.src));
    const Xbyak::Reg v = wide ? Xbyak::Reg(r11) : Xbyak::Reg(r11d);
    if (family == kLsh)
      shl(v, cl);
    else if (family == kRsh)
      shr(v, cl);
    else
      sar(v, cl);
    mov(wide ? Xbyak::Reg(rcx) : Xbyak::Reg(ecx), v);
    return;
  }
  if (op.src != 4) mov(rcx, reg(op.src));
  if (family == kLsh)
    shl(d, cl);
  else if (family == kRsh)
    shr(d, cl);
  else
    sar(d, cl);
  if (!wide) mov(d, d);  // a count of 0 leaves the upper half
  mov(rcx, r11);
}

// Division by 0 gives 0, its remainder is the dividend; -1 is taken out of signed division, which could trap.
void JitCompiler::divide(const Op& op, bool wide, bool is_register, bool is_signed, bool remainder) {
  const Xbyak::Reg d = wide ? Xbyak::Reg(reg(op.dst)) : Xbyak::Reg(reg32(op.dst));
  const Xbyak::Reg divisor = wide ? Xbyak::Reg(r11) : Xbyak::Reg(r11d);
  const uint64_t k = wide ? op.imm : uint32_t(op.imm);
  const bool minus_one = wide ? k == ~uint64_t{0} : k == UINT32_MAX;
  auto for_zero = [&] {
    if (!remainder)
      xor_(reg32(op.dst), reg32(op.dst));
    else if (!wide)
      mov(d, d);
  };
  auto for_minus_one = [&] {
    if (remainder)
      xor_(reg32(op.dst), reg32(op.dst));
    else
      neg(d);
  };
  if (!is_register) {
    if (k == 0) return for_zero();
    if (is_signed && minus_one) return for_minus_one();
    if (!is_signed && std::has_single_bit(k)) {
      const int bits = std::countr_zero(k);
      if (!remainder && bits)
        shr(d, bits);
      else if (!remainder && !wide)
        mov(d, d);
      else if (remainder && bits <= 31)
        and_(reg32(op.dst), uint32_t(k - 1));
      else if (remainder)
        move_constant(r11, k - 1), and_(reg(op.dst), r11);
      return;
    }
    move_constant(r11, k);
  } else {
    mov(divisor, wide ? Xbyak::Reg(reg(op.src)) : Xbyak::Reg(reg32(op.src)));
  }
  size_t to_end[2] = {0, 0};
  if (is_register) {
    test(divisor, divisor);
    const size_t good = jump_ahead(kNe);
    for_zero();
    to_end[0] = jump_ahead(kAlways);
    patch(good, getSize());
    if (is_signed) {
      cmp(divisor, ~0u);
      const size_t other = jump_ahead(kNe);
      for_minus_one();
      to_end[1] = jump_ahead(kAlways);
      patch(other, getSize());
    }
  }
  const bool is_rax = op.dst == 0, is_rdx = op.dst == 3;
  if (!is_rax) mov(r10, rax);
  if (!is_rdx) push(rdx);
  if (!is_rax) mov(wide ? Xbyak::Reg(rax) : Xbyak::Reg(eax), d);
  if (is_signed) {
    if (wide)
      cqo();
    else
      cdq();
    idiv(divisor);
  } else {
    xor_(edx, edx);
    div(divisor);
  }
  if (wide)
    mov(r11, remainder ? rdx : rax);
  else
    mov(r11d, remainder ? edx : eax);
  if (!is_rdx) pop(rdx);
  if (!is_rax) mov(rax, r10);
  mov(reg(op.dst), r11);
  if (!is_rax) load_kept_frame();
  for (size_t jump : to_end)
    if (jump) patch(jump, getSize());
}

}  // namespace epass::vm
#endif
