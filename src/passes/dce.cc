// Removes what nothing uses: instructions without effects, and block parameters.
//
//     v1 = load.u32 v0+4                       (nothing)
//     v2 = add v1, 1              =>
//     jump b1(v2, v3)                          jump b1(v3)
//   b1(v4, v5):                              b1(v5):
//     return v5                                return v5
//
// Works backwards from what has effects, so cycles of parameters that feed only each other go, too. Loads
// count as removable: a program may not rely on a load to be refused.

#include <algorithm>

#include "ir/edit.h"
#include "pass/pass.h"

namespace epass {

Result<Changed> dce(Function& fn, PassContext& context) {
  // Blocks that nothing reaches may use values and pass arguments, too.
  Changed changed = drop_unreachable(fn, context);
  const Cfg& cfg = context.analyses.cfg();
  SideTable<Value, uint8_t> live(fn.values.size(), 0);
  std::vector<Value> work;
  auto use = [&](Value v) {
    v = fn.resolve(v);
    if (!live[v]) live.at(v) = 1, work.push_back(v);
  };
  for (Value v : fn.params(fn.entry())) live.at(v) = 1;
  for (Block b : fn.all_blocks())
    for (Inst i : fn.insts_of(b))
      if (!is_removable(fn.insts[i].op))
        for (Value v : fn.operands(i)) use(v);
  while (!work.empty()) {
    const Value used = work.back();
    const ValueData& v = fn.values[used];
    work.pop_back();
    if (v.inst) {
      for (Value operand : fn.operands(v.inst)) use(operand);
    } else {
      const auto params = fn.params(v.block);
      const auto n = size_t(std::ranges::find(params, used) - params.begin());
      for (Edge e : cfg.incoming(v.block)) use(fn.args(e)[n]);
    }
  }
  for (Block b : fn.all_blocks()) {
    for (Inst i : fn.insts_of(b)) {
      if (!is_removable(fn.insts[i].op) || live[fn.insts[i].result]) continue;
      fn.remove(i);
      context.count("dce.instructions");
      changed |= Changed::kInstructions;
    }
    for (uint32_t n = uint32_t(fn.params(b).size()); n-- > 0;) {
      if (live[fn.params(b)[n]]) continue;
      fn.remove_param(b, n, cfg.incoming(b));
      context.count("dce.parameters");
      changed |= Changed::kInstructions;
    }
  }
  return changed;
}

}  // namespace epass
