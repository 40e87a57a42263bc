// Makes addresses of the stack from the frame pointer, not from other addresses.
//
//     v1 = slot_addr s0+16                     (for dce)
//     v2 = add v1, -8                  =>      v2 = slot_addr s0+8
//
// As many records either way, but of this form an address can be made anew where it is wanted instead of
// being kept in a register over calls. Where it is wanted often that is longer: the code generator's driver
// tries it.

#include "pass/pass.h"

namespace epass {

// The address that the sum at `i` is, if it is one of the stack.
static std::optional<InstData> as_address(const Function& fn, Inst i) {
  const InstData& d = fn.insts[i];
  if (d.op != Opcode::Add || d.width != Width::k64) return {};
  const auto c = fn.constant(fn.operand(i, 1), Width::k64);
  const Inst base = fn.def(fn.source(fn.operand(i, 0)));
  if (!c || !base || fn.insts[base].op != Opcode::SlotAddr) return {};
  const int64_t offset = fn.insts[base].imm + int64_t(*c);
  if (offset != int16_t(offset)) return {};
  return InstData{.op = Opcode::SlotAddr, .imm = offset, .origin = d.origin, .slot = fn.insts[base].slot};
}

Result<Changed> frame_addresses(Function& fn, PassContext& context) {
  Changed changed = Changed::kNothing;
  for (Inst i : fn.all_insts()) {
    const auto address = as_address(fn, i);
    if (!address) continue;
    const Value sum = fn.insts[i].result;
    fn.replace(sum, fn.insts[fn.insert_before(i, *address, {}, fn.home(sum))].result);
    context.count("frame-addresses.sums");
    changed = Changed::kInstructions;
  }
  return changed;
}

}  // namespace epass
