// Constants that sit in a register only to be moved elsewhere are made where they are wanted instead.
//
//     r5 = 0                                if r1 == 0 goto b4
//     if r1 == 0 goto b4            =>      ...
//     ...                                   r0 = 0
//     r0 = r5
//
// A move costs as much as the constant itself. Where one of the moves turned out to be none, because both
// ends got the same register, or an instruction reads the register, it stays.

#include "codegen/machine.h"

namespace epass {
namespace {

// Whether `v` is a constant that one record makes anywhere, and that has a register for now.
bool is_cheap(const MFunction& mf, VReg v) {
  const Remat* made = mf.remat(v);
  return made && made->kind == Remat::kConst && made->form != Form::kLdImm64 && made->core == kNoCore &&
         made->imm == int32_t(made->imm) && is_register(mf.reg(v).loc) && mf.reg(v).split == 0;
}

}  // namespace

void forget_idle_constants(MFunction& mf) {
  std::vector<uint8_t> needed(mf.vregs.size());
  auto moved_to = [&](VReg v, Loc to) { needed[v.index] |= mf.reg(v).loc == to; };
  for (uint32_t b = 0; b < mf.blocks.size(); ++b) {
    for (uint32_t n = mf.blocks[b].begin; n < mf.blocks[b].end; ++n) {
      const MInst& inst = mf.insts[n];
      const auto list = mf.lists.span(inst.list);
      for (size_t k = 0; k < list.size(); ++k) {
        const bool is_jump = inst.kind == MKind::kJump;
        moved_to(list[k], is_jump ? mf.reg(mf.block_params(mf.succs(b)[0].index)[k]).loc : Loc(k + 1));
      }
      for (size_t k = 0; k < inst.use.size(); ++k) {
        const VReg v = inst.use[k];
        if (!v) continue;
        if (k == 0 && (inst.kind == MKind::kCopy || inst.kind == MKind::kAlu))
          moved_to(v, mf.reg(inst.def).loc);
        else if (inst.kind == MKind::kReturn)
          moved_to(v, 0);
        else
          needed[v.index] = 1;
      }
    }
  }
  for (uint32_t n = 0; n < mf.vregs.size(); ++n)
    if (!needed[n] && is_cheap(mf, VReg{n})) mf.vregs[n].loc = kRemat;
}

}  // namespace epass
