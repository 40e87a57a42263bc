// Removes debug output: calls of bpf_trace_printk.
//
//     v4 = call bpf_trace_printk#6(v2, v3)       =>   v4 = const 0
//
// Programs hardly ever look at its result, the number of bytes printed; those that do see none. Format and
// arguments are left for dce.

#include "ir/edit.h"
#include "pass/pass.h"

constexpr int64_t kTracePrintk = 6;  // BPF_FUNC_trace_printk

epass::Result<epass::Changed> strip_printk(epass::Function& fn, epass::PassContext& context) {
  auto changed = epass::Changed::kNothing;
  for (epass::Inst i : fn.all_insts()) {
    const epass::InstData& call = fn.insts[i];
    if (call.op != epass::Opcode::CallHelper || call.imm != kTracePrintk) continue;
    epass::become_constant(fn, i, 0);
    context.count("strip-printk.calls");
    changed = epass::Changed::kInstructions;
  }
  return changed;
}
