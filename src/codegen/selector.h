#pragma once
#include <map>

#include "codegen/machine.h"

namespace epass {

// Selects the instructions of one function. select.cc walks it, select_inst.cc has a function for each kind.
class Selector {
 public:
  Selector(const Function& fn, const LowerOptions& options) : fn_(fn), options_(options) {}

  Result<MFunction> run();

 private:
  // Slots that passes added go below everything the program uses itself.
  void lay_out_frame();

  // Constants and addresses without home are made where they are used.
  void describe_remat(VRegData& reg, const InstData& d);

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
  bool as_immediate(Value v, Width width, bool core_allowed, MInst& inst);

  // A memory base: a slot address becomes the frame pointer with a larger offset.
  Result<VReg> base(Value v, MInst& inst, int16_t offset);

  Result<void> select_block(Block b);

  // Successors are noted as (block, IR target or edge block); connect() turns them into machine blocks.
  void select_edge(Inst end, uint32_t n, uint32_t source);

  ListRef args_of(Edge e) {
    std::vector<VReg> list;
    for (Value v : fn_.args(e)) list.push_back(vreg(v));
    return mf_.lists.add(list);
  }

  void connect();

  Result<void> select_inst(Inst i);

  Result<void> copy(Value v, VReg def);

  Result<void> move(uint8_t code, int16_t off, int32_t imm, Value v, VReg def);

  // Target instructions with one register that is read and written.
  Result<void> unary(uint8_t code, int32_t imm, Value v, VReg def);

  Result<void> binary(Inst i, VReg def);

  Result<void> branch(Inst i);

  Result<void> memory(Inst i, VReg def);

  Result<void> legacy_load(Inst i, VReg def);

  Result<void> call(Inst i, VReg def);

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

}  // namespace epass
