// Random programs: registers, arithmetic, memory.

#include <bit>

#include "generator.h"

namespace epass {

using namespace bpf;

size_t Generator::emit(int code, int dst, int src, int off, int64_t imm) {
  code_.push_back(make_insn(uint8_t(code), uint8_t(dst), uint8_t(src), int16_t(off), int32_t(imm)));
  return code_.size() - 1;
}

void Generator::wide(int dst, uint64_t value, int src) {
  emit(kCodeLdImm64, dst, src, 0, int32_t(uint32_t(value)));
  emit(0, 0, 0, 0, int32_t(uint32_t(value >> 32)));
}

int32_t Generator::immediate() {
  static constexpr int32_t kOften[] = {0,   1,   -1,  2,   7,    8,          31,        32,     63,     64,
                                       127, 128, 255, 256, -128, 0x7fffffff, INT32_MIN, 0xffff, 0x10000};
  return chance(60) ? kOften[below(std::size(kOften))] : int32_t(random_());
}

int Generator::source() {
  for (int n = 0; n < 40; ++n)
    if (int r = int(below(10)); is_scalar(r)) return r;
  int r = target();
  constant(r);
  return r;
}

int Generator::target(bool scalar) {
  for (int n = 0; n < 40; ++n)
    if (int r = int(below(10)); !is_locked(r) && (!scalar || is_scalar(r))) return r;
  int r = 0;
  while (is_locked(r)) ++r;
  if (scalar && !is_scalar(r)) constant(r);
  return r;
}

int Generator::saved_target() {
  for (int n = 0; n < 20; ++n)
    if (int r = 6 + int(below(4)); !is_locked(r)) return r;
  return target();
}

int Generator::pointer(unsigned kinds) {
  int r = int(below(10));
  for (int n = 0; n < 10; ++n, r = (r + 1) % 10)
    if (kinds >> reg(r).kind & 1) return r;
  return -1;
}

void Generator::constant(int r) {
  if (chance(20))
    wide(r, chance(50) ? random_() : uint64_t(uint32_t(immediate())) << below(33));
  else
    emit((chance(50) ? kAlu64 : kAlu) | kMov, r, 0, 0, immediate());
  set(r);
}

void Generator::arithmetic() {
  static constexpr int kOps[] = {kAdd, kSub, kMul, kDiv, kOr, kAnd, kLsh, kRsh, kMod, kXor, kArsh, kMov};
  int op = kOps[below(std::size(kOps))];
  bool wide_form = chance(60), by_register = chance(60);
  int dst = target(op != kMov), off = 0;
  int32_t imm = immediate();
  if ((op == kDiv || op == kMod) && chance(40)) off = 1;
  if (!by_register && (op == kDiv || op == kMod) && imm == 0) imm = 3;
  if (!by_register && (op == kLsh || op == kRsh || op == kArsh)) imm &= wide_form ? 63 : 31;
  if (op == kMov && by_register && chance(40)) off = 8 << below(wide_form ? 3 : 2);
  int src = by_register ? source() : 0;
  // What `source` may have made must not be what was chosen as target.
  if (op != kMov && !is_scalar(dst)) constant(dst);
  emit((wide_form ? kAlu64 : kAlu) | op | (by_register ? kX : kK), dst, src, off, by_register ? 0 : imm);
  set(dst);
}

void Generator::unary() {
  int dst = target(true), bits = 16 << below(3);
  switch (below(5)) {
    case 0:
    case 1: emit((chance(50) ? kAlu64 : kAlu) | kNeg, dst, 0, 0, 0); break;
    case 2: emit(kAlu | kEnd, dst, 0, 0, bits); break;
    case 3: emit(kAlu | kEnd | kX, dst, 0, 0, bits); break;
    default: emit(kAlu64 | kEnd, dst, 0, 0, bits);
  }
}

// r = r10 and an offset, by one or two instructions.
void Generator::frame_pointer() {
  if (private_) return arithmetic();
  int dst = target(), at = -8 * int(below(kScalars / 8 + 1));
  emit(kAlu64 | kMov | kX, dst, kFrameRegister, 0, 0);
  if (at && chance(50)) {
    emit(kAlu64 | kAdd, dst, 0, 0, at);
  } else if (at && !for_kernel() && chance(50)) {
    emit(kAlu64 | kSub, dst, 0, 0, -at);
  } else if (int by = target(); at && by != dst) {
    emit(kAlu64 | kMov, by, 0, 0, at);
    emit(kAlu64 | kAdd | kX, dst, by, 0, 0);
    set(by);
  } else {
    at = 0;
  }
  set(dst, {Content::kFrame, at});
}

// Copies of pointers, pointers moved, differences of pointers, a variable offset into the scalars.
void Generator::derive_pointer() {
  int from = pointer(1 << Content::kFrame | 1 << Content::kMemory | 1 << Content::kPacket);
  if (from < 0) return frame_pointer();
  int dst = target();
  Content c = reg(from);
  if (c.kind != Content::kFrame || chance(50)) {
    emit(kAlu64 | kMov | kX, dst, from, 0, 0);
    int step = c.aligned || c.kind == Content::kFrame ? 8 : int(1 + below(8));
    if (c.kind == Content::kFrame && chance(60)) {
      step *= either(1, -1);
      emit(kAlu64 | kAdd, dst, 0, 0, step);
      c.at += step;
    } else if (c.size > step && chance(60)) {
      emit(kAlu64 | kAdd, dst, 0, 0, step);
      c.size -= step;
    }
    set(dst, c);
    return;
  }
  int other = pointer(1 << Content::kFrame);
  if (chance(40)) {
    emit(kAlu64 | kMov | kX, dst, from, 0, 0);
    if (dst != other)
      emit(kAlu64 | kSub | kX, dst, other, 0, 0);
    else
      emit(kAlu64 | kMov, dst, 0, 0, 0);
    return set(dst);
  }
  int by = source();
  if (is_locked(by) || by == dst || by == from) return;
  emit(kAlu64 | kAnd, by, 0, 0, 0x18);
  emit(kAlu64 | kMov | kX, dst, kFrameRegister, 0, 0);
  emit(kAlu64 | kAdd, dst, 0, 0, -kScalars);
  emit(kAlu64 | kAdd | kX, dst, by, 0, 0);
  set(dst, {Content::kMemory, 0, 8 * int(1 + below(5)), true});
}

void Generator::spill_or_fill() {
  size_t slot = below(kSpillSlots);
  int off = kSpills - 8 * int(slot);
  Content& kept = now_.spilled[slot];
  if (kept.is_pointer() && chance(60)) {
    int dst = target();
    emit(kLdx | kMem | kDw, dst, kFrameRegister, off, 0);
    return set(dst, kept);
  }
  // The context stays in slot 0 of the main function. A loop's slots are those from before it.
  int from = pointer(~3u);
  if (from < 0 || rounds_ > 1 || (slot == 0 && in_main_)) return frame_pointer();
  emit(kStx | kMem | kDw, kFrameRegister, from, off, 0);
  kept = reg(from);
}

void Generator::access(int base, int off, int bytes) {
  static constexpr int kSizes[] = {kB, kH, kW, kDw};
  int size = kSizes[std::countr_zero(unsigned(bytes))];
  switch (below(7)) {
    case 0: emit(kStx | kMem | size, base, source(), off, 0); break;
    case 1: emit(kSt | kMem | size, base, 0, off, immediate()); break;
    default: {
      int dst = target();
      emit(kLdx | (bytes < 8 && chance(40) ? kMemsx : kMem) | size, dst, base, off, 0);
      set(dst);
      break;
    }
    case 2:
    case 3:
      if (int src = source(); src != base) emit(kStx | kMem | size, base, src, off, 0);
  }
}

void Generator::word_access() {
  int slot = int(below(kScalars / 8)), off = -8 * (slot + 1);
  if (now_.written >> slot & 1 && chance(55)) {
    int dst = target();
    emit(kLdx | kMem | kDw, dst, kFrameRegister, off, 0);
    return set(dst);
  }
  if (chance(20))
    emit(kSt | kMem | kDw, kFrameRegister, 0, off, immediate());
  else
    emit(kStx | kMem | kDw, kFrameRegister, source(), off, 0);
  now_.written |= 1u << slot;
}

void Generator::frame_access() {
  if (words_) return word_access();
  int bytes = 1 << below(4), off = -kScalars + bytes * int(below(uint64_t(kScalars / bytes)));
  if (!for_kernel() && chance(20)) off = -kScalars + int(below(uint64_t(kScalars - bytes + 1)));
  if (off % bytes == 0 && chance(35)) return atomic(kFrameRegister, off, bytes);
  access(kFrameRegister, off, bytes);
}

void Generator::pointer_access() {
  int base = pointer(1 << Content::kFrame | 1 << Content::kMemory | 1 << Content::kPacket);
  if (base < 0) return chance(50) ? frame_pointer() : frame_access();
  Content c = reg(base);
  int bytes = 1 << below(4), size = c.kind == Content::kFrame ? kScalars : c.size;
  while (bytes > size) bytes /= 2;
  bool aligned = c.kind == Content::kFrame || c.aligned;
  int off = aligned ? bytes * int(below(uint64_t(size / bytes))) : int(below(uint64_t(size - bytes + 1)));
  if (c.kind == Content::kFrame) off += -kScalars - c.at;
  // An atomic in a map is only allowed where it is aligned; what is known here of maps is not enough.
  if (aligned && chance(40)) return atomic(base, off, bytes);
  access(base, off, bytes);
}

void Generator::atomic(int base, int off, int bytes) {
  static constexpr int32_t kOps[] = {kAdd, kOr, kAnd, kXor};
  static constexpr int kSizes[] = {kB, kH, kW, kDw};
  int size = kSizes[std::countr_zero(unsigned(bytes))];
  int32_t op = kOps[below(4)];
  switch (bytes < 4 ? 4 + below(2) : below(8)) {
    case 0:
    case 1: op |= kFetch; break;
    case 2: op = kXchg; break;
    case 3: op = kCmpxchg; break;
    case 4: op = kLoadAcq; break;
    case 5: op = kStoreRel; break;
    default: break;
  }
  if (op == kLoadAcq) {
    int dst = target();
    emit(kStx | kAtomic | size, dst, base, off, op);
    return set(dst);
  }
  int src = source();
  bool writes_source = op & kFetch && op != kCmpxchg;
  if (op == kCmpxchg && (is_locked(0) || base == 0)) op = kXchg, writes_source = true;
  if (writes_source && is_locked(src)) return;
  if (op == kCmpxchg && !is_scalar(0)) constant(0);
  if (src == base || reg(src).kind != Content::kScalar) return;
  emit(kStx | kAtomic | size, base, src, off, op);
}

void Generator::context_field() {
  int context = pointer(1 << Content::kContext);
  if (context < 0 || out_.xdp || chance(50)) return arithmetic();
  // mark and cb[]: the program may write them. Only len has one value everywhere.
  int off = chance(30) ? 8 : 48 + 4 * int(below(5)), dst = target();
  if (chance(50)) {
    emit(kStx | kMem | kW, context, source(), off, 0);
  } else if (chance(40)) {
    emit(kLdx | kMem | kW, dst, context, 0, 0);
    set(dst);
  } else {
    emit(kLdx | kMem | kW, dst, context, off, 0);
    set(dst);
    out_.exact = false;
  }
}

void Generator::ensure_scalar() {
  for (int r = 0; r < 10; ++r)
    if (is_scalar(r) && !is_locked(r)) return;
  for (int r = 0; r < 10; ++r)
    if (!reg(r).is_pointer() && !is_locked(r)) return constant(r);
  constant(target());
}

void Generator::simple() {
  ensure_scalar();
  switch (below(24)) {
    case 0:
    case 1: constant(target()); break;
    case 2:
    case 3: unary(); break;
    case 4:
    case 5:
    case 6:
    case 7: frame_access(); break;
    case 8:
    case 9: pointer_access(); break;
    case 10: pointer_access(); break;
    case 11: frame_pointer(); break;
    case 12: derive_pointer(); break;
    case 13: spill_or_fill(); break;
    case 14: context_field(); break;
    default: arithmetic();
  }
}

// Every register live at once, and values that change places: what breaks careless parallel moves.
void Generator::pressure() {
  for (int r = 0; r < 10; ++r)
    if (!is_locked(r) && !is_scalar(r) && chance(80)) constant(r);
  int count = 4 + int(below(8));
  for (int n = 0; n < count; ++n) arithmetic();
  int a = target(true), b = target(true), c = target(true), temporary = target();
  if (a == b || b == c || a == c || temporary == a || temporary == b || temporary == c) return;
  emit(kAlu64 | kMov | kX, temporary, a, 0, 0);
  emit(kAlu64 | kMov | kX, a, b, 0, 0);
  emit(kAlu64 | kMov | kX, b, c, 0, 0);
  emit(kAlu64 | kMov | kX, c, temporary, 0, 0);
  set(temporary);
}

}  // namespace epass
