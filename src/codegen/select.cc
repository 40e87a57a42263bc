// Chooses target instructions for IR instructions, one to one where the IR came from bytecode.
//
//   v7 = add v5, v6   (v6 = const 14)    =>   v7 = v5 += 14     kAlu, immediate
//   v3 = load.u32 v2+0 (v2 = slot_addr)  =>   v3 = *(u32 *)(r10 - 4)
//   jgt v5, v1, b4(v4), b1               =>   if v5 > v1 goto b4', with `b4': parameters of b4 = v4; goto b4`
//   on the edge
//
// A constant, symbol or slot address without home register is made where it is used: as an immediate, as a
// base on the frame pointer, directly in the register that a move or call wants, or in a temporary.

#include <map>

#include "codegen/machine.h"

namespace epass {
namespace {

bool fits_imm32(int64_t imm) { return imm == int32_t(imm); }

uint8_t size_code(MemSize size) {
  switch (bytes_of(size)) {
    case 1: return bpf::kB;
    case 2: return bpf::kH;
    case 4: return bpf::kW;
    default: return bpf::kDw;
  }
}

uint8_t alu_op(Opcode op) {
  switch (op) {
    case Opcode::Add: return bpf::kAdd;
    case Opcode::Sub: return bpf::kSub;
    case Opcode::Mul: return bpf::kMul;
    case Opcode::UDiv:
    case Opcode::SDiv: return bpf::kDiv;
    case Opcode::UMod:
    case Opcode::SMod: return bpf::kMod;
    case Opcode::And: return bpf::kAnd;
    case Opcode::Or: return bpf::kOr;
    case Opcode::Xor: return bpf::kXor;
    case Opcode::Shl: return bpf::kLsh;
    case Opcode::LShr: return bpf::kRsh;
    case Opcode::AShr: return bpf::kArsh;
    default: return bpf::kNeg;
  }
}

uint8_t jump_op(Opcode op) {
  constexpr uint8_t kOps[] = {bpf::kJeq,  bpf::kJne,  bpf::kJgt,  bpf::kJge,  bpf::kJlt, bpf::kJle,
                              bpf::kJsgt, bpf::kJsge, bpf::kJslt, bpf::kJsle, bpf::kJset};
  return kOps[size_t(op) - size_t(Opcode::JumpEq)];
}

int32_t atomic_imm(Opcode op) {
  switch (op) {
    case Opcode::AtomicAdd: return bpf::kAdd;
    case Opcode::AtomicAnd: return bpf::kAnd;
    case Opcode::AtomicOr: return bpf::kOr;
    case Opcode::AtomicXor: return bpf::kXor;
    case Opcode::FetchAdd: return int32_t{bpf::kAdd} | bpf::kFetch;
    case Opcode::FetchAnd: return int32_t{bpf::kAnd} | bpf::kFetch;
    case Opcode::FetchOr: return int32_t{bpf::kOr} | bpf::kFetch;
    case Opcode::FetchXor: return int32_t{bpf::kXor} | bpf::kFetch;
    case Opcode::Xchg: return bpf::kXchg;
    case Opcode::CmpXchg: return bpf::kCmpxchg;
    case Opcode::LoadAcquire: return bpf::kLoadAcq;
    default: return bpf::kStoreRel;
  }
}

class Selector {
 public:
  Selector(const Function& fn, const LowerOptions& options) : fn_(fn), options_(options) {}

  Result<MFunction> run() {
    lay_out_frame();
    mf_.vregs.resize(fn_.values.size());
    for (uint32_t n = 0; n < fn_.values.size(); ++n) {
      const ValueData& value = fn_.values[Value{n}];
      VRegData& reg = mf_.vregs[n];
      reg.home = value.home.code;
      if (value.inst && !value.alias) describe_remat(reg, fn_.insts[value.inst]);
    }
    frame_ = mf_.add_vreg({.loc = bpf::kFrameRegister});
    for (Block b : fn_.all_blocks()) {
      if (auto ok = select_block(b); !ok) return fail(ok.error());
    }
    connect();
    return std::move(mf_);
  }

 private:
  // Slots that passes added go below everything the program uses itself.
  void lay_out_frame() {
    int depth = 0;
    for (uint32_t n = 0; n < fn_.slots.size(); ++n) depth = std::max(depth, -int(fn_.slots[Slot{n}].place));
    std::map<int16_t, int> homes;
    for (uint32_t n = 0; n < fn_.values.size(); ++n) {
      Home home = fn_.values[Value{n}].home;
      if (home.is_stack()) ++homes[home.code];
    }
    for (auto [offset, uses] : homes) {
      mf_.free_slots.push_back(offset);
      depth = std::max(depth, -int(offset));
    }
    std::ranges::reverse(mf_.free_slots);
    for (uint32_t n = 0; n < fn_.slots.size(); ++n) {
      const SlotData& slot = fn_.slots[Slot{n}];
      if (!slot.place) depth = (depth + int(slot.size) + 7) & ~7;
      places_.push_back(slot.place ? slot.place : -depth);
    }
    mf_.frame_bytes = depth;
  }

  // Constants and addresses without home are made where they are used.
  void describe_remat(VRegData& reg, const InstData& d) {
    Remat r;
    switch (d.op) {
      case Opcode::Const: r = {.kind = Remat::kConst, .form = d.form, .imm = d.imm, .core = d.core}; break;
      case Opcode::Symbol:
        r = {.kind = Remat::kSymbol, .pseudo = d.pseudo, .imm = d.imm, .symbol = d.symbol, .core = d.core};
        break;
      case Opcode::SlotAddr: r = {.kind = Remat::kSlot, .imm = places_[d.slot.index] + d.imm}; break;
      case Opcode::Undef: reg.loc = kUndef; return;
      default: return;
    }
    reg.remat = static_cast<uint32_t>(mf_.remats.size());
    mf_.remats.push_back(r);
    if (!Home{reg.home}.is_reg() || !options_.keep_homes) {
      reg.loc = kRemat;
      if (r.kind == Remat::kConst && r.core == kNoCore) mf_.remats.back().form = Form::kNatural;
    }
  }

  VReg vreg(Value v) { return VReg{fn_.resolve(v).index}; }
  const Remat* in_place(Value v) {
    VReg r = vreg(v);
    return mf_.reg(r).loc == kRemat ? mf_.remat(r) : nullptr;
  }

  MInst& push(MInst inst) {
    inst.origin = origin_;
    mf_.insts.push_back(inst);
    return mf_.insts.back();
  }

  // The value in a register: made in a temporary if it has no register of its own.
  VReg in_register(Value v) {
    VReg r = vreg(v);
    if (mf_.reg(r).loc == kUndef) return undefined(r);
    if (mf_.reg(r).loc != kRemat) return r;
    const Remat* remat = mf_.remat(r);
    if (remat->kind == Remat::kSlot && remat->imm == 0) return frame_;
    return make(*remat);
  }
  // Reading an undefined register is refused wherever the verifier comes by, so it stands in code that is
  // never reached. There it may read anything: the register that the input read.
  VReg undefined(VReg r) {
    int home = mf_.reg(r).home;
    if (!Home{mf_.reg(r).home}.is_reg() || home >= bpf::kFrameRegister) home = 0;
    VReg& fixed = undefined_[size_t(home)];
    if (!fixed) fixed = mf_.add_vreg({.loc = Loc(home)});
    return fixed;
  }
  VReg make(Remat remat) {
    VReg t = mf_.add_vreg({.remat = static_cast<uint32_t>(mf_.remats.size())});
    mf_.remats.push_back(remat);
    push({.kind = MKind::kMake, .def = t});
    return t;
  }

  // The value as the immediate of an instruction of that width; nothing if it has to be in a register. A
  // CO-RE constant fits where its record may stand: in ALU instructions.
  bool as_immediate(Value v, Width width, bool core_allowed, MInst& inst) {
    const Remat* r = in_place(v);
    if (!r || r->kind != Remat::kConst || r->form == Form::kLdImm64) return false;
    if (r->core != kNoCore && !core_allowed) return false;
    if (width == Width::k64 ? !fits_imm32(r->imm) : !fits_imm32(r->imm) && r->imm != uint32_t(r->imm))
      return false;
    inst.insn.imm = int32_t(r->imm);
    inst.imm_operand = true;
    inst.core = r->core;
    return true;
  }

  // A memory base: a slot address becomes the frame pointer with a larger offset.
  Result<VReg> base(Value v, MInst& inst, int16_t offset) {
    const Remat* r = in_place(v);
    int64_t off = offset;
    if (r && r->kind == Remat::kSlot) off += r->imm;
    if (off != int16_t(off)) return fail("stack-limit", "a stack offset does not fit in 16 bits");
    inst.insn.off = int16_t(off);
    return r && r->kind == Remat::kSlot ? frame_ : in_register(v);
  }

  Result<void> select_block(Block b) {
    blocks_.at(b) = static_cast<uint32_t>(mf_.blocks.size());
    MBlockData block{
        .begin = uint32_t(mf_.insts.size()), .block = b, .table_target = fn_.blocks[b].table_target};
    mf_.blocks.push_back(std::move(block));
    std::vector<VReg> params;
    for (Value p : fn_.params(b)) params.push_back(vreg(p));
    mf_.blocks.back().params = mf_.lists.add(params);
    if (b == fn_.entry()) mf_.params = std::move(params);
    for (Inst i : fn_.insts_of(b)) {
      origin_ = fn_.insts[i].origin;
      if (auto ok = select_inst(i); !ok) return fail(ok.error());
    }
    uint32_t source = uint32_t(mf_.blocks.size() - 1);
    mf_.blocks[source].end = uint32_t(mf_.insts.size());
    Inst end = fn_.terminator(b);
    for (uint32_t n = 0; n < fn_.insts[end].edge_count; ++n) select_edge(end, n, source);
    return {};
  }

  // Successors are noted as (block, IR target or edge block); connect() turns them into machine blocks.
  void select_edge(Inst end, uint32_t n, uint32_t source) {
    Edge e = fn_.edge(end, n);
    Block to = fn_.edges[e].to;
    bool plain = fn_.args(e).empty() || fn_.insts[end].op == Opcode::Jump;
    if (plain) {
      pending_.push_back({source, to, {}});
      return;
    }
    uint32_t middle = uint32_t(mf_.blocks.size());
    pending_.push_back({source, {}, middle});
    pending_.push_back({middle, to, {}});
    mf_.blocks.push_back({.begin = uint32_t(mf_.insts.size())});
    origin_ = kNoOrigin;
    push({.kind = MKind::kJump}).list = args_of(e);
    mf_.blocks.back().end = uint32_t(mf_.insts.size());
  }

  ListRef args_of(Edge e) {
    std::vector<VReg> list;
    for (Value v : fn_.args(e)) list.push_back(vreg(v));
    return mf_.lists.add(list);
  }

  void connect() {
    for (const Pending& p : pending_) {
      uint32_t to = p.to ? blocks_[p.to] : p.middle;
      mf_.neighbours.push_back(mf_.blocks[p.from].succs, MBlock{to});
      mf_.neighbours.push_back(mf_.blocks[to].preds, MBlock{p.from});
    }
  }

  Result<void> select_inst(Inst i) {
    const InstData& d = fn_.insts[i];
    auto operand = [&](size_t n) { return fn_.operand(i, n); };
    VReg def = d.result ? VReg{d.result.index} : VReg{};
    uint8_t alu = d.width == Width::k64 ? bpf::kAlu64 : bpf::kAlu;
    switch (d.op) {
      case Opcode::Const:
      case Opcode::Symbol:
      case Opcode::SlotAddr:
        if (mf_.reg(def).loc != kRemat) push({.kind = MKind::kMake, .def = def});
        return {};
      case Opcode::Undef: return {};
      case Opcode::Copy: return copy(operand(0), def);
      case Opcode::ZExt32: return move(bpf::kAlu | bpf::kMov | bpf::kX, 0, 0, operand(0), def);
      case Opcode::SExt8: return move(uint8_t(alu | bpf::kMov | bpf::kX), 8, 0, operand(0), def);
      case Opcode::SExt16: return move(uint8_t(alu | bpf::kMov | bpf::kX), 16, 0, operand(0), def);
      case Opcode::SExt32: return move(bpf::kAlu64 | bpf::kMov | bpf::kX, 32, 0, operand(0), def);
      case Opcode::AddrSpaceCast:
        return move(bpf::kAlu64 | bpf::kMov | bpf::kX, 1, int32_t(d.imm), operand(0), def);
      case Opcode::Neg: return unary(uint8_t(alu | bpf::kNeg), 0, operand(0), def);
      case Opcode::Le16: return unary(bpf::kAlu | bpf::kEnd, 16, operand(0), def);
      case Opcode::Le32: return unary(bpf::kAlu | bpf::kEnd, 32, operand(0), def);
      case Opcode::Le64: return unary(bpf::kAlu | bpf::kEnd, 64, operand(0), def);
      case Opcode::Be16: return unary(bpf::kAlu | bpf::kEnd | bpf::kX, 16, operand(0), def);
      case Opcode::Be32: return unary(bpf::kAlu | bpf::kEnd | bpf::kX, 32, operand(0), def);
      case Opcode::Be64: return unary(bpf::kAlu | bpf::kEnd | bpf::kX, 64, operand(0), def);
      case Opcode::BSwap16: return unary(bpf::kAlu64 | bpf::kEnd, 16, operand(0), def);
      case Opcode::BSwap32: return unary(bpf::kAlu64 | bpf::kEnd, 32, operand(0), def);
      case Opcode::BSwap64: return unary(bpf::kAlu64 | bpf::kEnd, 64, operand(0), def);
      case Opcode::Load:
      case Opcode::LoadAcquire:
      case Opcode::Store:
      case Opcode::StoreRelease:
      case Opcode::AtomicAdd:
      case Opcode::AtomicAnd:
      case Opcode::AtomicOr:
      case Opcode::AtomicXor:
      case Opcode::FetchAdd:
      case Opcode::FetchAnd:
      case Opcode::FetchOr:
      case Opcode::FetchXor:
      case Opcode::Xchg:
      case Opcode::CmpXchg: return memory(i, def);
      case Opcode::LdAbs:
      case Opcode::LdInd: return legacy_load(i, def);
      case Opcode::CallHelper:
      case Opcode::CallKfunc:
      case Opcode::CallFunc:
      case Opcode::CallX: return call(i, def);
      case Opcode::Jump: push({.kind = MKind::kJump}).list = args_of(fn_.edge(i, 0)); return {};
      case Opcode::MayGoto: push({.kind = MKind::kMayGoto, .insn = {.code = bpf::kCodeMayGoto}}); return {};
      case Opcode::GotoX: {
        for (uint32_t n = 0; n < d.edge_count; ++n)
          if (!fn_.args(fn_.edge(i, n)).empty()) gotox_args_ = true;
        VReg target = in_register(operand(0));
        push({.kind = MKind::kGotoX, .insn = {.code = bpf::kCodeGotox}}).use[0] = target;
        return {};
      }
      case Opcode::Return: {
        VReg r = vreg(operand(0));
        push({.kind = MKind::kReturn, .insn = {.code = bpf::kCodeExit}}).use[0] =
            mf_.reg(r).loc == kUndef ? VReg{} : r;
        return {};
      }
      case Opcode::Unreachable: push({.kind = MKind::kUnreachable}); return {};
      default:
        if (is_binary(d.op)) return binary(i, def);
        if (is_conditional(d.op)) return branch(i);
        return fail("internal", "no instruction selection for `" + std::string(info(d.op).mnemonic) + "`");
    }
  }

  Result<void> copy(Value v, VReg def) {
    VReg r = vreg(v);
    if (mf_.reg(r).loc == kUndef) r = undefined(r);
    push({.kind = MKind::kCopy, .def = def}).use[0] = r;
    return {};
  }

  Result<void> move(uint8_t code, int16_t off, int32_t imm, Value v, VReg def) {
    VReg r = in_register(v);
    push({.kind = MKind::kMove, .insn = {.code = code, .off = off, .imm = imm}, .def = def}).use[0] = r;
    return {};
  }

  // Target instructions with one register that is read and written.
  Result<void> unary(uint8_t code, int32_t imm, Value v, VReg def) {
    VReg r = vreg(v);
    if (mf_.reg(r).loc == kUndef) r = undefined(r);
    MInst inst{.kind = MKind::kAlu, .imm_operand = true, .insn = {.code = code, .imm = imm}, .def = def};
    inst.use[0] = r;
    push(inst);
    return {};
  }

  Result<void> binary(Inst i, VReg def) {
    const InstData& d = fn_.insts[i];
    MInst inst{.kind = MKind::kAlu, .def = def};
    Value a = fn_.operand(i, 0), b = fn_.operand(i, 1);
    uint8_t code = uint8_t((d.width == Width::k64 ? bpf::kAlu64 : bpf::kAlu) | alu_op(d.op));
    if (d.op == Opcode::SDiv || d.op == Opcode::SMod) inst.insn.off = 1;
    if (info(d.op).effects & kCommutes && in_place(a) && !in_place(b)) std::swap(a, b);
    bool immediate = as_immediate(b, d.width, true, inst);
    bool by_zero =
        d.op == Opcode::UDiv || d.op == Opcode::SDiv || d.op == Opcode::UMod || d.op == Opcode::SMod;
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

  Result<void> branch(Inst i) {
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

  Result<void> memory(Inst i, VReg def) {
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

  Result<void> legacy_load(Inst i, VReg def) {
    const InstData& d = fn_.insts[i];
    MInst inst{.kind = MKind::kLdAbs, .def = def};
    inst.insn.code = uint8_t(bpf::kLd | size_code(d.size) | (d.op == Opcode::LdAbs ? bpf::kAbs : bpf::kInd));
    inst.insn.imm = int32_t(d.imm);
    inst.use[0] = vreg(fn_.operand(i, 0));
    if (d.op == Opcode::LdInd) inst.use[1] = in_register(fn_.operand(i, 1));
    push(inst);
    return {};
  }

  Result<void> call(Inst i, VReg def) {
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

  struct Pending {
    uint32_t from = 0;
    Block to = {};
    uint32_t middle = 0;
  };

  const Function& fn_;
  const LowerOptions& options_;
  MFunction mf_;
  std::vector<int> places_;
  SideTable<Block, uint32_t> blocks_;
  std::vector<Pending> pending_;
  VReg frame_;
  std::array<VReg, 10> undefined_ = {};
  uint32_t origin_ = kNoOrigin;
  bool gotox_args_ = false;
};

}  // namespace

bool needs_register(const MInst& inst, int n) {
  switch (inst.kind) {
    case MKind::kAlu: return n == 1;
    case MKind::kMove:
    case MKind::kBranch:
    case MKind::kStore:
    case MKind::kLoad:
    case MKind::kGotoX:
    case MKind::kCall: return true;
    case MKind::kFetch: return n == 0;
    case MKind::kCmpXchg: return n != 1;
    case MKind::kLdAbs: return n == 1;
    default: return false;
  }
}

Result<MFunction> select(const Function& fn, const LowerOptions& options) {
  return Selector(fn, options).run();
}

}  // namespace epass
