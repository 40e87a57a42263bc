// Memory accesses in compiled code.
#if defined(__x86_64__)

#include "vm/jit_compiler.h"

namespace epass::vm {

namespace {
constexpr size_t kNoStub = 0;
}

// Everything that is rare is one instruction of the interpreter.
void JitCompiler::leave_to_interpreter(uint32_t i) {
  mov(r11d, i);
  call_place(step_);
  load_kept();
}

// Where *(base + off) lies in the host. In checked code it jumps to a stub if the place has not met the
// region yet, or the access is wrong; the stub does the whole operation.
Xbyak::RegExp JitCompiler::place(uint32_t i, const Op& op, int base, uint32_t size, size_t& stub) {
  stub = kNoStub;
  const size_t off = size_t(int64_t(op.off));  // added modulo 2^64
  const bool own_frame = base == bpf::kFrameRegister && op.off >= -bpf::kStackSize && op.off <= -int(size);
  if (own_frame && checked_) return rbp + r9 + off;
  if (!checked_) return reg(base) + off;
  if (is_frame_address(i, base)) {
    if (stays_in_frame(i)) return reg(base) + r9 + off;
    if (keeps_frame_) {
      lea(r11, qword[reg(base) + r10 + off]);
    } else {
      lea(r11, qword[reg(base) + (off + bpf::kStackSize)]);
      sub(r11, rbp);
    }
    cmp(r11, uint32_t(bpf::kStackSize) - size);
    stub = jump_out(kA);
    return reg(base) + r9 + off;
  }
  if (auto kept = kept_.find(i); kept != kept_.end()) {
    lea(r11, qword[reg(base) + reg(kept->second.negative)]);
    cmp(r11, at(kept->second.site->limit));
    stub = jump_out(kAe);
    return reg(kept->second.distance) + reg(base);
  }
  const JitSite& site = *new_site(i);
  mov(r11, reg(base));
  sub(r11, at(site.base));
  cmp(r11, at(site.limit));
  stub = jump_out(kAe);
  mov(r11, at(site.distance));
  return r11 + reg(base);
}

void JitCompiler::load(uint32_t i, const Op& op) {
  const unsigned n = unsigned(op.code) - unsigned(OpCode::kLoad1);
  const bool is_signed = op.code >= OpCode::kLoadSigned1;
  const uint32_t size = 1u << (is_signed ? n - 4 : n);
  size_t field_end = 0;
  if (size == 4 && !is_signed && jit_.context_ != Context::kRaw && may_be_context(i, op.src)) {
    const State& s = data_.state;
    const bool xdp = jit_.context_ == Context::kXdp;
    const uint64_t* field = op.off == (xdp ? 0 : 76) || op.off == (xdp ? 8 : 140) ? &s.packet_begin
                            : op.off == (xdp ? 4 : 80)                            ? &s.packet_end
                            : !xdp && op.off == 0                                 ? &s.packet_length
                                                                                  : nullptr;
    if (field) {
      cmp(reg(op.src), at(s.context_base));
      const size_t other = jump_ahead(kNe);
      mov(reg(op.dst), at(*field));
      field_end = jump_ahead(kAlways);
      patch(other, getSize());
    }
  }
  size_t stub = 0;
  const Xbyak::RegExp from = place(i, op, op.src, size, stub);
  switch (size) {
    case 1: is_signed ? movsx(reg(op.dst), byte[from]) : movzx(reg32(op.dst), byte[from]); break;
    case 2: is_signed ? movsx(reg(op.dst), word[from]) : movzx(reg32(op.dst), word[from]); break;
    case 4: is_signed ? movsxd(reg(op.dst), dword[from]) : mov(reg32(op.dst), dword[from]); break;
    default: mov(reg(op.dst), qword[from]);
  }
  if (stub) add_stub(StubKind::kStep, i, stub);
  if (field_end) patch(field_end, getSize());
}

void JitCompiler::store(uint32_t i, const Op& op) {
  const bool is_register = op.code >= OpCode::kStoreX1;
  const unsigned n = unsigned(op.code) - unsigned(is_register ? OpCode::kStoreX1 : OpCode::kStoreK1);
  size_t stub = 0;
  const Xbyak::RegExp to = place(i, op, op.dst, 1u << n, stub);
  const uint32_t k = uint32_t(op.imm);
  if (is_register) {
    switch (n) {
      case 0: mov(byte[to], reg(op.src).cvt8()); break;
      case 1: mov(word[to], reg(op.src).cvt16()); break;
      case 2: mov(dword[to], reg32(op.src)); break;
      default: mov(qword[to], reg(op.src));
    }
  } else {
    switch (n) {
      case 0: mov(byte[to], uint8_t(k)); break;
      case 1: mov(word[to], uint16_t(k)); break;
      case 2: mov(dword[to], k); break;
      default: mov(qword[to], op.imm);
    }
  }
  if (stub) add_stub(StubKind::kStep, i, stub);
}

bool JitCompiler::atomic(uint32_t i, const Op& op) {
  const uint32_t size = op.target;
  const uint32_t operation = uint32_t(op.imm) & ~uint32_t{bpf::kFetch};
  const bool fetches = op.imm & bpf::kFetch, exchanges = op.imm == bpf::kXchg || op.imm == bpf::kCmpxchg;
  if (size < 4 || (fetches && !exchanges && operation != bpf::kAdd)) return false;
  size_t stub = 0;
  const Xbyak::RegExp where = place(i, op, op.dst, size, stub);
  const Xbyak::Address to = size == 8 ? qword[where] : dword[where];
  const Xbyak::Reg s = size == 8 ? Xbyak::Reg(reg(op.src)) : Xbyak::Reg(reg32(op.src));
  if (op.imm == bpf::kXchg) {
    xchg(to, s);
  } else if (op.imm == bpf::kCmpxchg) {
    lock();
    cmpxchg(to, s);
    if (size == 4) mov(eax, eax);
  } else {
    lock();
    if (fetches)
      xadd(to, s);
    else if (operation == bpf::kAdd)
      add(to, s);
    else if (operation == bpf::kOr)
      or_(to, s);
    else if (operation == bpf::kAnd)
      and_(to, s);
    else
      xor_(to, s);
  }
  if (stub) add_stub(StubKind::kStep, i, stub);
  return true;
}

bool JitCompiler::memory(uint32_t i, const Op& op) {
  if (op.code >= OpCode::kLoad1 && op.code <= OpCode::kLoadSigned4) return load(i, op), true;
  if (op.code >= OpCode::kStoreK1 && op.code <= OpCode::kStoreX8) return store(i, op), true;
  if (op.code == OpCode::kAtomic) {
    if (!atomic(i, op)) leave_to_interpreter(i);
    return true;
  }
  return false;
}

}  // namespace epass::vm
#endif
