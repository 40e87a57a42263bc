#pragma once
// The instruction encoding of RFC 9669 and the kernel's later additions (include/uapi/linux/bpf.h),
// little-endian.

#include <compare>
#include <cstdint>
#include <span>
#include <type_traits>

namespace epass::bpf {

// One 8-byte record. `ld_imm64` is two records; the second holds the upper 32 bits in `imm`.
struct Insn {
  uint8_t code = 0;
  uint8_t regs = 0;  // source register in the upper four bits, destination in the lower four
  int16_t off = 0;
  int32_t imm = 0;

  constexpr uint8_t dst() const { return regs & 15; }
  constexpr uint8_t src() const { return regs >> 4; }
  constexpr void set_dst(uint8_t reg) { regs = uint8_t((regs & 0xf0) | reg); }
  constexpr void set_src(uint8_t reg) { regs = uint8_t((regs & 0x0f) | reg << 4); }
  constexpr uint8_t cls() const { return code & 7; }
  friend constexpr bool operator==(const Insn&, const Insn&) = default;
};
static_assert(sizeof(Insn) == 8 && std::is_trivially_copyable_v<Insn>);

constexpr Insn make_insn(uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm) {
  return {code, uint8_t(dst | src << 4), off, imm};
}

// Parts of `code`, to be combined with |.
enum Code : uint8_t {
  // Instruction classes: code & 7.
  kLd = 0,
  kLdx = 1,
  kSt = 2,
  kStx = 3,
  kAlu = 4,
  kJmp = 5,
  kJmp32 = 6,
  kAlu64 = 7,

  // Operand of ALU and JMP classes: code & 8.
  kK = 0x00,
  kX = 0x08,

  // Operation of ALU classes: code & 0xf0. `off` 1 makes div and mod signed; 8, 16, 32 makes mov sign-extend.

  kAdd = 0x00,
  kSub = 0x10,
  kMul = 0x20,
  kDiv = 0x30,
  kOr = 0x40,
  kAnd = 0x50,
  kLsh = 0x60,
  kRsh = 0x70,
  kNeg = 0x80,
  kMod = 0x90,
  kXor = 0xa0,
  kMov = 0xb0,
  kArsh = 0xc0,
  kEnd = 0xd0,

  // For kEnd the source bit is the byte order: class ALU with K = to little, X = to big; class ALU64 = swap
  // always.
  // imm is the width, 16, 32 or 64.

  // Operation of JMP classes: code & 0xf0. Class JMP32 with kJa is the long jump (target in imm).

  kJa = 0x00,
  kJeq = 0x10,
  kJgt = 0x20,
  kJge = 0x30,
  kJset = 0x40,
  kJne = 0x50,
  kJsgt = 0x60,
  kJsge = 0x70,
  kCall = 0x80,
  kExit = 0x90,
  kJlt = 0xa0,
  kJle = 0xb0,
  kJslt = 0xc0,
  kJsle = 0xd0,
  kJcond = 0xe0,

  // Size of loads and stores: code & 0x18.
  kW = 0x00,
  kH = 0x08,
  kB = 0x10,
  kDw = 0x18,

  // Mode of loads and stores: code & 0xe0.
  kImm = 0x00,
  kAbs = 0x20,
  kInd = 0x40,
  kMem = 0x60,
  kMemsx = 0x80,
  kAtomic = 0xc0,
};

// imm of an atomic store: the ALU operation, perhaps with kFetch, or one of the last four.
enum Atomic : int32_t { kFetch = 0x01, kXchg = 0xe1, kCmpxchg = 0xf1, kLoadAcq = 0x100, kStoreRel = 0x110 };

// src of ld_imm64: what its immediate stands for.
enum PseudoLd : uint8_t {
  kPlain = 0,
  kMapFd = 1,
  kMapValue = 2,
  kBtfId = 3,
  kFuncPtr = 4,
  kMapIdx = 5,
  kMapIdxValue = 6,
};
// src of a call.
enum PseudoCall : uint8_t { kHelperCall = 0, kLocalCall = 1, kKfuncCall = 2 };

constexpr uint8_t kCodeLdImm64 = 0x18;
constexpr uint8_t kCodeCall = kJmp | kCall;        // 0x85
constexpr uint8_t kCodeCallx = kJmp | kCall | kX;  // 0x8d
constexpr uint8_t kCodeExit = kJmp | kExit;        // 0x95
constexpr uint8_t kCodeJa = kJmp | kJa;            // 0x05
constexpr uint8_t kCodeGotol = kJmp32 | kJa;       // 0x06
constexpr uint8_t kCodeGotox = kJmp | kJa | kX;    // 0x0d
constexpr uint8_t kCodeMayGoto = kJmp | kJcond;    // 0xe5, src 0

constexpr int kFrameRegister = 10;
constexpr int kStackSize = 512;  // bytes, the kernel's MAX_BPF_STACK
constexpr int kMaxArguments = 5;

constexpr bool is_alu(uint8_t code) { return (code & 7) == kAlu || (code & 7) == kAlu64; }
constexpr bool is_jmp(uint8_t code) { return (code & 7) == kJmp || (code & 7) == kJmp32; }
constexpr bool is_ld_imm64(Insn insn) { return insn.code == kCodeLdImm64; }
// A jump that goes on to the next instruction if its condition is false (may_goto included).
constexpr bool is_conditional_jump(uint8_t code) {
  uint8_t op = code & 0xf0;
  return is_jmp(code) && op != kJa && op != kCall && op != kExit && (op != kJcond || code == kCodeMayGoto);
}
constexpr bool is_unconditional_jump(uint8_t code) { return code == kCodeJa || code == kCodeGotol; }
// Records that the instruction at the front takes: 2 for ld_imm64.
constexpr uint32_t records(Insn insn) { return is_ld_imm64(insn) ? 2 : 1; }
// The target of the direct jump at `index`, as an index of the same sequence; it may lie outside.
constexpr int64_t jump_target(Insn insn, uint32_t index) {
  return int64_t(index) + 1 + (insn.code == kCodeGotol ? int64_t(insn.imm) : int64_t(insn.off));
}
// Bytes moved by a load or store.
constexpr uint32_t access_bytes(uint8_t code) {
  switch (code & 0x18) {
    case kW: return 4;
    case kH: return 2;
    case kB: return 1;
    default: return 8;
  }
}
constexpr uint64_t imm64(Insn low, Insn high) {
  return uint64_t(uint32_t(low.imm)) | uint64_t(uint32_t(high.imm)) << 32;
}

// Instruction sets as LLVM's -mcpu numbers them. v2: jlt.. ; v3: alu32 and jmp32; v4: gotol, movsx, ldsx,
// sdiv, bswap, load_acquire and store_release.
enum class Isa : uint8_t { kV1 = 1, kV2 = 2, kV3 = 3, kV4 = 4 };

// The lowest ISA level that has `insn`. Atomics other than a plain add count as v3, may_goto and gotox as v4.
Isa isa_of(Insn insn);
Isa isa_of(std::span<const Insn> insns);

}  // namespace epass::bpf
