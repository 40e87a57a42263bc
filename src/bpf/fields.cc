// The rules are those of the kernel's verifier (kernel/bpf/verifier.c: check_alu_op, check_ld_imm, do_check
// and resolve_pseudo_ldimm64, Linux 6.18), and gotox and callx as LLVM encodes them.

#include "bpf/fields.h"

#include "base/format.h"

namespace epass::bpf {

namespace {

struct Allowed {
  bool dst = true, src = true, off = true, imm = true;
};

// Fields that an instruction does not use are reserved and must be zero.
std::string reserved(Insn insn, Allowed allowed) {
  if (!allowed.dst && insn.dst())
    return format("the destination register is reserved and holds {}", insn.dst());
  if (!allowed.src && insn.src()) return format("the source register is reserved and holds {}", insn.src());
  if (!allowed.off && insn.off) return format("the offset is reserved and holds {}", insn.off);
  if (!allowed.imm && insn.imm) return format("the immediate is reserved and holds {}", insn.imm);
  return "";
}

std::string unknown(Insn insn) { return format("operation code {:#04x} is not defined", int(insn.code)); }

std::string alu(Insn insn) {
  const uint8_t op = insn.code & 0xf0;
  const bool wide = insn.cls() == kAlu64, from_register = insn.code & kX;
  if (op > kEnd) return unknown(insn);
  if (op == kEnd) {
    if (wide && from_register) return unknown(insn);
    if (insn.imm != 16 && insn.imm != 32 && insn.imm != 64)
      return format("bytes are swapped in 16, 32 or 64 bits, not {}", insn.imm);
    return reserved(insn, {.src = false, .off = false});
  }
  if (op == kNeg)
    return from_register ? unknown(insn) : reserved(insn, {.src = false, .off = false, .imm = false});
  if (op == kMov && from_register) {
    if (wide && insn.off == 1 && insn.imm)
      return insn.imm == 1 || insn.imm == 1 << 16 ? ""
                                                  : format("a cast between address spaces by {}", insn.imm);
    const bool extends = insn.off == 8 || insn.off == 16 || (wide && insn.off == 32);
    return reserved(insn, {.off = extends, .imm = false});
  }
  const bool is_division = op == kDiv || op == kMod;
  return reserved(insn, {.src = from_register, .off = is_division && insn.off == 1, .imm = !from_register});
}

std::string jump(Insn insn) {
  switch (insn.code) {
    case kCodeJa: return reserved(insn, {.dst = false, .src = false, .imm = false});
    case kCodeGotol: return reserved(insn, {.dst = false, .src = false, .off = false});
    case kCodeGotox:
    case kCodeCallx: return reserved(insn, {.src = false, .off = false, .imm = false});
    case kCodeExit: return reserved(insn, {.dst = false, .src = false, .off = false, .imm = false});
    case kCodeMayGoto: return reserved(insn, {.dst = false, .src = false, .imm = false});
    case kCodeCall:
      if (insn.src() > kKfuncCall) return format("a call of unknown kind {}", insn.src());
      return reserved(insn, {.dst = false, .off = insn.src() == kKfuncCall});
    default: break;
  }
  const uint8_t op = insn.code & 0xf0;
  if (op == kJa || op == kCall || op == kExit || op > kJsle) return unknown(insn);
  return insn.code & kX ? reserved(insn, {.imm = false}) : reserved(insn, {.src = false});
}

std::string load_imm64(std::span<const Insn> insns, uint32_t index) {
  const Insn insn = insns[index];
  if (index + 1 >= insns.size()) return "the second half of the 64-bit constant is missing";
  const Insn second = insns[index + 1];
  if (second.code || second.regs || second.off)
    return "the second half of the 64-bit constant has fields other than its number";
  if (insn.src() > kMapIdxValue) return format("a 64-bit constant of unknown kind {}", insn.src());
  if ((insn.src() == kMapFd || insn.src() == kMapIdx) && second.imm)
    return "the second half of a map's number is reserved and not zero";
  return reserved(insn, {.off = false});
}

std::string memory(Insn insn) {
  const uint8_t mode = insn.code & 0xe0, size = insn.code & 0x18;
  switch (insn.cls()) {
    case kLdx:
      if (mode != kMem && (mode != kMemsx || size == kDw)) return unknown(insn);
      return reserved(insn, {.imm = false});
    case kSt: return mode == kMem ? reserved(insn, {.src = false}) : unknown(insn);
    case kLd:
      if ((mode != kAbs && mode != kInd) || size == kDw) return unknown(insn);
      return reserved(insn, {.dst = false, .src = mode == kInd, .off = false});
    default: break;
  }
  if (mode == kMem) return reserved(insn, {.imm = false});
  if (mode != kAtomic) return unknown(insn);
  if (insn.imm == kLoadAcq || insn.imm == kStoreRel) return "";
  const int32_t op = insn.imm & ~kFetch;
  const bool known =
      op == kAdd || op == kOr || op == kAnd || op == kXor || insn.imm == kXchg || insn.imm == kCmpxchg;
  if (!known) return format("atomic operation {:#x} is not defined", insn.imm);
  return size == kW || size == kDw ? "" : "atomic operations have 32 or 64 bits";
}

}  // namespace

std::string field_fault(std::span<const Insn> insns, uint32_t index) {
  const Insn insn = insns[index];
  if (insn.dst() > kFrameRegister || (insn.src() > kFrameRegister && !is_ld_imm64(insn)))
    return format("there is no register r{}", insn.dst() > kFrameRegister ? insn.dst() : insn.src());
  if (is_ld_imm64(insn)) return load_imm64(insns, index);
  if (is_alu(insn.code)) return alu(insn);
  if (is_jmp(insn.code)) return jump(insn);
  return memory(insn);
}

}  // namespace epass::bpf
