// What each instruction of the target means in the IR.

#include <cstdio>

#include "lift/lifter.h"

namespace epass {

static bool writes_frame_pointer(bpf::Insn insn) {
  bool dst = insn.dst() == bpf::kFrameRegister, src = insn.src() == bpf::kFrameRegister;
  switch (insn.cls()) {
    case bpf::kLd: return bpf::is_ld_imm64(insn) && dst;
    case bpf::kStx:
      if ((insn.code & 0xe0) != bpf::kAtomic) return false;
      if (insn.imm == bpf::kLoadAcq) return dst;
      return src && insn.imm & bpf::kFetch && insn.imm != bpf::kCmpxchg;
    default: return dst && (insn.cls() == bpf::kLdx || bpf::is_alu(insn.code));
  }
}

static int64_t sext32(int32_t imm) { return imm; }

Result<void> Lifter::lift_ld(bpf::Insn insn) {
  if (bpf::is_ld_imm64(insn)) {
    int64_t imm = int64_t(bpf::imm64(insn, in_.insns[index_ + 1]));
    uint32_t core = core_at(index_);
    if (const bpf::Attachment* a = attachment_at(in_, index_)) {
      define(insn.dst(),
             {.op = Opcode::Symbol, .pseudo = insn.src(), .imm = imm, .symbol = a->symbol, .core = core}, {});
    } else if (insn.src()) {
      return unknown(insn, "with source " + std::to_string(insn.src()) + " refers to nothing that is known");
    } else {
      define(insn.dst(), {.op = Opcode::Const, .form = Form::kLdImm64, .imm = imm, .core = core}, {});
    }
    return {};
  }
  uint8_t mode = insn.code & 0xe0;
  if ((mode != bpf::kAbs && mode != bpf::kInd) || bpf::access_bytes(insn.code) == 8)
    return unknown(insn, "is defined by no kernel");
  InstData d{.op = mode == bpf::kAbs ? Opcode::LdAbs : Opcode::LdInd, .size = size_of(insn), .imm = insn.imm};
  Value context = read(6), index = mode == bpf::kInd ? read(insn.src()) : Value{};
  clobber();
  if (index)
    define(0, d, {context, index});
  else
    define(0, d, {context});
  return {};
}

Result<void> Lifter::lift_ldx(bpf::Insn insn) {
  uint8_t mode = insn.code & 0xe0;
  MemSize size = size_of(insn);
  if (mode == bpf::kMemsx && size != MemSize::kU64)
    size = MemSize(int(size) + int(MemSize::kS8));
  else if (mode != bpf::kMem)
    return unknown(insn, "is defined by no kernel");
  Value base = read(insn.src());
  define(insn.dst(), {.op = Opcode::Load, .size = size, .offset = insn.off, .core = core_at(index_)}, {base});
  return {};
}

Result<void> Lifter::lift_st(bpf::Insn insn) {
  if ((insn.code & 0xe0) != bpf::kMem) return unknown(insn, "is defined by no kernel");
  Value base = read(insn.dst()), value = constant(sext32(insn.imm));
  add({.op = Opcode::Store, .size = size_of(insn), .offset = insn.off, .core = core_at(index_)},
      {base, value}, {});
  return {};
}

Result<void> Lifter::lift_stx(bpf::Insn insn) {
  uint8_t mode = insn.code & 0xe0;
  InstData d{.op = Opcode::Store, .size = size_of(insn), .offset = insn.off, .core = core_at(index_)};
  if (mode == bpf::kMem) {
    Value base = read(insn.dst());
    add(d, {base, read(insn.src())}, {});
    return {};
  }
  if (mode != bpf::kAtomic) return unknown(insn, "is defined by no kernel");
  bool any_size = insn.imm == bpf::kLoadAcq || insn.imm == bpf::kStoreRel;
  if (!any_size && bpf::access_bytes(insn.code) < 4)
    return unknown(insn, "is an atomic operation of less than 4 bytes");
  switch (insn.imm) {
    case bpf::kLoadAcq: {
      d.op = Opcode::LoadAcquire;
      Value base = read(insn.src());
      define(insn.dst(), d, {base});
      return {};
    }
    case bpf::kStoreRel: d.op = Opcode::StoreRelease; break;
    case bpf::kAdd: d.op = Opcode::AtomicAdd; break;
    case bpf::kAnd: d.op = Opcode::AtomicAnd; break;
    case bpf::kOr: d.op = Opcode::AtomicOr; break;
    case bpf::kXor: d.op = Opcode::AtomicXor; break;
    case int32_t{bpf::kAdd} | bpf::kFetch: d.op = Opcode::FetchAdd; break;
    case int32_t{bpf::kAnd} | bpf::kFetch: d.op = Opcode::FetchAnd; break;
    case int32_t{bpf::kOr} | bpf::kFetch: d.op = Opcode::FetchOr; break;
    case int32_t{bpf::kXor} | bpf::kFetch: d.op = Opcode::FetchXor; break;
    case bpf::kXchg: d.op = Opcode::Xchg; break;
    case bpf::kCmpxchg: d.op = Opcode::CmpXchg; break;
    default:
      return unknown(insn, "with atomic operation " + std::to_string(insn.imm) + " is defined by no kernel");
  }
  Value base = read(insn.dst());
  if (d.op == Opcode::CmpXchg) {
    Value expected = read(0);
    define(0, d, {base, expected, read(insn.src())});
  } else if (info(d.op).has_result) {
    define(insn.src(), d, {base, read(insn.src())});
  } else {
    add(d, {base, read(insn.src())}, {});
  }
  return {};
}

Result<void> Lifter::lift_alu(bpf::Insn insn) {
  uint8_t op = insn.code & 0xf0;
  bool wide = insn.cls() == bpf::kAlu64, reg = insn.code & bpf::kX;
  Width w = wide ? Width::k64 : Width::k32;
  if (insn.dst() == bpf::kFrameRegister) return unknown(insn, "writes the frame pointer");
  if (op == bpf::kMov) return lift_mov(insn, w, reg);
  if (op == bpf::kEnd) return lift_end(insn, wide, reg);
  if (op == bpf::kNeg) {
    define(insn.dst(), {.op = Opcode::Neg, .width = w}, {read(insn.dst())});
    return {};
  }
  static constexpr Opcode kOps[] = {Opcode::Add, Opcode::Sub,  Opcode::Mul,  Opcode::UDiv, Opcode::Or,
                                    Opcode::And, Opcode::Shl,  Opcode::LShr, Opcode::Neg,  Opcode::UMod,
                                    Opcode::Xor, Opcode::Copy, Opcode::AShr};
  if (size_t(op >> 4) >= std::size(kOps)) return unknown(insn, "is defined by no kernel");
  Opcode code = kOps[op >> 4];
  if (insn.off) {
    if (insn.off != 1 || (code != Opcode::UDiv && code != Opcode::UMod))
      return unknown(insn, "with offset " + std::to_string(insn.off) + " is defined by no kernel");
    code = code == Opcode::UDiv ? Opcode::SDiv : Opcode::SMod;
  }
  Value x = read(insn.dst());
  Value y = reg ? read(insn.src()) : constant(sext32(insn.imm), core_at(index_));
  define(insn.dst(), {.op = code, .width = w}, {x, y});
  return {};
}

Result<void> Lifter::lift_mov(bpf::Insn insn, Width w, bool reg) {
  if (!reg) {
    int64_t imm = w == Width::k64 ? sext32(insn.imm) : int64_t(uint32_t(insn.imm));
    Form form = w == Width::k64 ? Form::kNatural : Form::kMov32;
    define(insn.dst(), {.op = Opcode::Const, .form = form, .imm = imm, .core = core_at(index_)}, {});
    return {};
  }
  InstData d{.width = w};
  switch (insn.off) {
    case 0:
      if (w == Width::k64 && insn.src() == bpf::kFrameRegister) {
        state_[insn.dst()] = slot_address(Home::reg(insn.dst()));
        return {};
      }
      d.op = w == Width::k64 ? Opcode::Copy : Opcode::ZExt32;
      d.width = Width::k64;
      break;
    case 1:
      d.op = Opcode::AddrSpaceCast, d.imm = insn.imm;
      if (w == Width::k32) return unknown(insn, "is an address space cast of 32 bits");
      break;
    case 8: d.op = Opcode::SExt8; break;
    case 16: d.op = Opcode::SExt16; break;
    case 32:
      d.op = Opcode::SExt32;
      if (w == Width::k32) return unknown(insn, "extends 32 bits to 32 bits");
      break;
    default: return unknown(insn, "with offset " + std::to_string(insn.off) + " is defined by no kernel");
  }
  Value v = read(insn.src());
  define(insn.dst(), d, {v});
  return {};
}

Result<void> Lifter::lift_end(bpf::Insn insn, bool wide, bool big) {
  int row = insn.imm == 16 ? 0 : insn.imm == 32 ? 1 : insn.imm == 64 ? 2 : -1;
  if (row < 0 || (wide && big)) return unknown(insn, "swaps " + std::to_string(insn.imm) + " bits");
  Opcode first = wide ? Opcode::BSwap16 : big ? Opcode::Be16 : Opcode::Le16;
  define(insn.dst(), {.op = Opcode(int(first) + row)}, {read(insn.dst())});
  return {};
}

Result<void> Lifter::lift_jmp(bpf::Insn insn) {
  uint8_t op = insn.code & 0xf0;
  if (insn.code == bpf::kCodeCall || insn.code == bpf::kCodeCallx) return lift_call(insn);
  if (insn.code == bpf::kCodeExit) {
    add({.op = Opcode::Return}, {read(0)}, {});
  } else if (bpf::is_unconditional_jump(insn.code)) {
    add({.op = Opcode::Jump}, {}, {});
  } else if (insn.code == bpf::kCodeGotox) {
    add({.op = Opcode::GotoX}, {read(insn.dst())}, {});
  } else if (insn.code == bpf::kCodeMayGoto && insn.src() == 0) {
    add({.op = Opcode::MayGoto}, {}, {});
  } else {
    static constexpr Opcode kOps[] = {Opcode::Jump,    Opcode::JumpEq, Opcode::JumpGt,  Opcode::JumpGe,
                                      Opcode::JumpSet, Opcode::JumpNe, Opcode::JumpSgt, Opcode::JumpSge,
                                      Opcode::Jump,    Opcode::Jump,   Opcode::JumpLt,  Opcode::JumpLe,
                                      Opcode::JumpSlt, Opcode::JumpSle};
    if (size_t(op >> 4) >= std::size(kOps) || kOps[op >> 4] == Opcode::Jump)
      return unknown(insn, "is defined by no kernel");
    Value x = read(insn.dst());
    Value y = insn.code & bpf::kX ? read(insn.src()) : constant(sext32(insn.imm));
    add({.op = kOps[op >> 4], .width = insn.cls() == bpf::kJmp ? Width::k64 : Width::k32}, {x, y}, {});
  }
  return {};
}

Result<void> Lifter::lift_call(bpf::Insn insn) {
  int known = call_arguments(program_, in_, index_, facts_);
  std::vector<Value> args;
  for (int r = 1; r <= (known < 0 ? bpf::kMaxArguments : known); ++r) args.push_back(read(r));
  while (known < 0 && !args.empty() && out_.is(args.back(), Opcode::Undef)) args.pop_back();
  InstData d{.op = Opcode::CallHelper, .pseudo = insn.src(), .imm = insn.imm, .origin = index_};
  d.offset = insn.off;
  const bpf::Attachment* a = attachment_at(in_, index_);
  if (insn.code == bpf::kCodeCallx) {
    d.op = Opcode::CallX;
    args.push_back(read(insn.dst()));
  } else if (a) {
    bool local = program_.symbols[a->symbol].kind == bpf::Symbol::Kind::kFunc;
    d.op = local ? Opcode::CallFunc : Opcode::CallKfunc;
    d.symbol = a->symbol;
  } else if (insn.src() != bpf::kHelperCall) {
    return unknown(insn, "calls something that is not known");
  }
  if (d.op == Opcode::CallHelper || d.op == Opcode::CallX || d.op == Opcode::CallFunc) d.offset = 0;
  Inst i = out_.append(block_, d, args, Home::reg(0));
  clobber();
  state_[0] = out_.insts[i].result;
  return {};
}

Result<void> Lifter::lift_insn(uint32_t i) {
  bpf::Insn insn = in_.insns[i];
  // The source of ld_imm64 and of calls says what they refer to.
  bool has_src = !bpf::is_ld_imm64(insn) && insn.code != bpf::kCodeCall;
  if (insn.dst() > bpf::kFrameRegister || (has_src && insn.src() > bpf::kFrameRegister))
    return unknown(insn, "names a register above r10");
  if (writes_frame_pointer(insn)) return unknown(insn, "writes the frame pointer");
  switch (insn.cls()) {
    case bpf::kLd: return lift_ld(insn);
    case bpf::kLdx: return lift_ldx(insn);
    case bpf::kSt: return lift_st(insn);
    case bpf::kStx: return lift_stx(insn);
    case bpf::kAlu:
    case bpf::kAlu64: return lift_alu(insn);
    default: return lift_jmp(insn);
  }
}

}  // namespace epass
