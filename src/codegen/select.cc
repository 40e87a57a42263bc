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

#include "codegen/selector.h"
#include "codegen/target_ops.h"

namespace epass {

Result<MFunction> Selector::run() {
  lay_out_frame();
  // Room for what selection makes of most functions: growing by doubling would set the peak of memory.
  mf_.vregs.reserve(fn_.values.size() + fn_.values.size() / 8 + 64);
  mf_.insts.reserve(fn_.insts.size() + fn_.insts.size() / 8);
  mf_.blocks.reserve(fn_.blocks.size());
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

void Selector::lay_out_frame() {
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

void Selector::describe_remat(VRegData& reg, const InstData& d) {
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
  if (!Home{reg.home}.is_reg() || options_.homes != Homes::kKept) {
    reg.loc = kRemat;
    if (r.kind == Remat::kConst && r.core == kNoCore) mf_.remats.back().form = Form::kNatural;
  }
}

Result<void> Selector::select_block(Block b) {
  blocks_.at(b) = static_cast<uint32_t>(mf_.blocks.size());
  MBlockData block{
      .begin = uint32_t(mf_.insts.size()), .block = b, .table_target = fn_.blocks[b].table_target};
  mf_.blocks.push_back(std::move(block));
  std::vector<VReg> params;
  params.reserve(fn_.params(b).size());
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

void Selector::select_edge(Inst end, uint32_t n, uint32_t source) {
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

void Selector::connect() {
  for (const Pending& p : pending_) {
    uint32_t to = p.to ? blocks_[p.to] : p.middle;
    mf_.neighbours.push_back(mf_.blocks[p.from].succs, MBlock{to});
    mf_.neighbours.push_back(mf_.blocks[to].preds, MBlock{p.from});
  }
}

Result<void> Selector::select_inst(Inst i) {
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
