// Lets readers of a copy read what was copied.
//
//     v1 = copy v0   @4:r6                 v1 = copy v0            (for dce)
//     v2 = add v1, 4               =>      v2 = add v0, 4
//
// A copy between registers separates two lives of a value in the input; whether one register does for both is
// a question of cost, so the code generator's driver tries it. Copies that live on the stack stay: they are
// spills, or were.

#include "pass/pass.h"

namespace epass {

Result<Changed> copy_prop(Function& fn, PassContext& context) {
  Changed changed = Changed::kNothing;
  for (Inst i : fn.all_insts()) {
    if (fn.insts[i].op != Opcode::Copy) continue;
    const Value copy = fn.insts[i].result, of = fn.operand(i, 0);
    if (fn.home(copy).is_stack() || fn.home(of).is_stack() || fn.is(of, Opcode::Undef)) continue;
    fn.replace(copy, of);
    fn.remove(i);
    context.count("copy-prop.copies");
    changed = Changed::kInstructions;
  }
  return changed;
}

}  // namespace epass
