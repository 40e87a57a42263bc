// One function for each kind of instruction: operands to immediates, bases and registers.

#include "codegen/selector.h"
#include "codegen/target_ops.h"

namespace epass {

static bool fits_imm32(int64_t imm) { return imm == int32_t(imm); }

Result<void> Selector::copy(Value v, VReg def) {
  VReg r = vreg(v);
  if (mf_.reg(r).loc == kUndef) r = undefined(r);
  push({.kind = MKind::kCopy, .def = def}).use[0] = r;
  return {};
}

Result<void> Selector::move(uint8_t code, int16_t off, int32_t imm, Value v, VReg def) {
  VReg r = in_register(v);
  push({.kind = MKind::kMove, .insn = {.code = code, .off = off, .imm = imm}, .def = def}).use[0] = r;
  return {};
}

Result<void> Selector::unary(uint8_t code, int32_t imm, Value v, VReg def) {
  VReg r = vreg(v);
  if (mf_.reg(r).loc == kUndef) r = undefined(r);
  MInst inst{.kind = MKind::kAlu, .imm_operand = true, .insn = {.code = code, .imm = imm}, .def = def};
  inst.use[0] = r;
  push(inst);
  return {};
}

Result<void> Selector::binary(Inst i, VReg def) {
  const InstData& d = fn_.insts[i];
  MInst inst{.kind = MKind::kAlu, .def = def};
  Value a = fn_.operand(i, 0), b = fn_.operand(i, 1);
  uint8_t code = uint8_t((d.width == Width::k64 ? bpf::kAlu64 : bpf::kAlu) | alu_op(d.op));
  if (d.op == Opcode::SDiv || d.op == Opcode::SMod) inst.insn.off = 1;
  if (info(d.op).effects & kCommutes && in_place(a) && !in_place(b)) std::swap(a, b);
  bool immediate = as_immediate(b, d.width, true, inst);
  bool by_zero = d.op == Opcode::UDiv || d.op == Opcode::SDiv || d.op == Opcode::UMod || d.op == Opcode::SMod;
  bool shift = d.op == Opcode::Shl || d.op == Opcode::LShr || d.op == Opcode::AShr;
  // The verifier refuses a constant zero divisor and shifts by the width or more, but takes them in a
  // register.
  if (immediate &&
      ((by_zero && inst.insn.imm == 0) || (shift && uint32_t(inst.insn.imm) >= uint32_t(d.width)))) {
    immediate = inst.imm_operand = false;
    inst.insn.imm = 0;
  }
  if (!immediate) inst.use[1] = in_register(b);
  inst.insn.code = uint8_t(code | (immediate ? bpf::kK : bpf::kX));
  inst.use[0] = vreg(a);
  if (mf_.reg(inst.use[0]).loc == kUndef) inst.use[0] = undefined(inst.use[0]);
  push(inst);
  return {};
}

Result<void> Selector::branch(Inst i) {
  const InstData& d = fn_.insts[i];
  MInst inst{.kind = MKind::kBranch};
  bool immediate = as_immediate(fn_.operand(i, 1), d.width, false, inst);
  inst.use[0] = in_register(fn_.operand(i, 0));
  if (!immediate) inst.use[1] = in_register(fn_.operand(i, 1));
  inst.insn.code = uint8_t((d.width == Width::k64 ? bpf::kJmp : bpf::kJmp32) | jump_op(d.op) |
                           (immediate ? bpf::kK : bpf::kX));
  push(inst);
  return {};
}

Result<void> Selector::memory(Inst i, VReg def) {
  const InstData& d = fn_.insts[i];
  MInst inst{.def = def, .core = d.core};
  auto address = base(fn_.operand(i, 0), inst, d.offset);
  if (!address) return fail(address.error());
  inst.use[0] = *address;
  uint8_t size = size_code(d.size);
  if (d.op == Opcode::Load) {
    inst.kind = MKind::kLoad;
    inst.insn.code = uint8_t(bpf::kLdx | size | (d.size >= MemSize::kS8 ? bpf::kMemsx : bpf::kMem));
  } else if (d.op == Opcode::Store) {
    inst.kind = MKind::kStore;
    uint32_t core = inst.core;
    bool immediate = as_immediate(fn_.operand(i, 1), Width::k64, false, inst) ||
                     (d.size != MemSize::kU64 && as_immediate(fn_.operand(i, 1), Width::k32, false, inst));
    inst.core = core;
    inst.insn.code = uint8_t((immediate ? bpf::kSt : bpf::kStx) | size | bpf::kMem);
    if (!immediate) inst.use[1] = in_register(fn_.operand(i, 1));
  } else {
    inst.insn.code = uint8_t(bpf::kStx | size | bpf::kAtomic);
    inst.insn.imm = atomic_imm(d.op);
    inst.kind = d.op == Opcode::LoadAcquire ? MKind::kLoad
                : d.op == Opcode::CmpXchg   ? MKind::kCmpXchg
                : def                       ? MKind::kFetch
                                            : MKind::kStore;
    if (d.op == Opcode::CmpXchg) {
      inst.use[2] = in_register(fn_.operand(i, 2));
      inst.use[1] = vreg(fn_.operand(i, 1));
    } else if (d.op != Opcode::LoadAcquire) {
      inst.use[1] = inst.kind == MKind::kFetch ? vreg(fn_.operand(i, 1)) : in_register(fn_.operand(i, 1));
    }
    for (VReg& r : inst.use)
      if (r && mf_.reg(r).loc == kUndef) r = undefined(r);
  }
  push(inst);
  return {};
}

Result<void> Selector::legacy_load(Inst i, VReg def) {
  const InstData& d = fn_.insts[i];
  MInst inst{.kind = MKind::kLdAbs, .def = def};
  inst.insn.code = uint8_t(bpf::kLd | size_code(d.size) | (d.op == Opcode::LdAbs ? bpf::kAbs : bpf::kInd));
  inst.insn.imm = int32_t(d.imm);
  inst.use[0] = vreg(fn_.operand(i, 0));
  if (d.op == Opcode::LdInd) inst.use[1] = in_register(fn_.operand(i, 1));
  push(inst);
  return {};
}

Result<void> Selector::call(Inst i, VReg def) {
  const InstData& d = fn_.insts[i];
  MInst inst{.kind = MKind::kCall,
             .insn = {.code = bpf::kCodeCall, .off = d.offset, .imm = int32_t(d.imm)},
             .def = def,
             .symbol = d.symbol};
  std::vector<VReg> args;
  for (size_t n = 0; n < d.operand_count; ++n) args.push_back(vreg(fn_.operand(i, n)));
  if (d.op == Opcode::CallX) {
    inst.insn.code = bpf::kCodeCallx;
    inst.use[0] = in_register(fn_.operand(i, d.operand_count - 1));
    args.pop_back();
  } else if (d.op != Opcode::CallHelper) {
    inst.insn.set_src(d.op == Opcode::CallFunc ? uint8_t(bpf::kLocalCall) : d.pseudo);
  }
  if (args.size() > size_t(bpf::kMaxArguments))
    return fail("internal", "a call with more than five arguments");
  inst.list = mf_.lists.add(args);
  push(inst);
  return {};
}

Result<VReg> Selector::base(Value v, MInst& inst, int16_t offset) {
  const Remat* r = in_place(v);
  int64_t off = offset;
  // The loader replaces the offset of an access with a CO-RE record: it cannot hold the slot's, too.
  if (r && (r->kind != Remat::kSlot || inst.core != kNoCore)) r = nullptr;
  if (r) off += r->imm;
  if (off != int16_t(off)) return fail("stack-limit", "a stack offset does not fit in 16 bits");
  inst.insn.off = int16_t(off);
  return r ? frame_ : in_register(v);
}

bool Selector::as_immediate(Value v, Width width, bool core_allowed, MInst& inst) {
  const Remat* r = in_place(v);
  if (!r || r->kind != Remat::kConst || r->form == Form::kLdImm64) return false;
  // What had a register of its own may have had it because the verifier refuses the immediate.
  if (Home{mf_.reg(vreg(v)).home}.is_reg()) return false;
  if (r->core != kNoCore && !core_allowed) return false;
  if (width == Width::k64 ? !fits_imm32(r->imm) : !fits_imm32(r->imm) && r->imm != uint32_t(r->imm))
    return false;
  inst.insn.imm = int32_t(r->imm);
  inst.imm_operand = true;
  inst.core = r->core;
  return true;
}

}  // namespace epass
