// Makes addresses of the stack from the frame pointer, not from other addresses.
//
//     v1 = slot_addr s0+16                     (for dce)
//     v2 = add v1, -8                  =>      v2 = slot_addr s0+8
//
// As many records either way, but of this form an address can be made anew where it is wanted instead of
// being kept in a register over calls. Where it is wanted often that is longer: the code generator's driver
// tries it.

#include "pass/pass.h"
#include "passes/slot_address.h"

namespace epass {

Result<Changed> frame_addresses(Function& fn, PassContext& context) {
  Changed changed = Changed::kNothing;
  for (Inst i : fn.all_insts()) {
    if (fn.insts[i].op != Opcode::Add) continue;
    const Value sum = fn.insts[i].result;
    auto address = slot_address(fn, sum);
    if (!address || address->imm != int16_t(address->imm)) continue;
    address->origin = fn.insts[i].origin;
    fn.replace(sum, fn.insts[fn.insert_before(i, *address, {}, fn.home(sum))].result);
    context.count("frame-addresses.sums");
    changed = Changed::kInstructions;
  }
  return changed;
}

}  // namespace epass
