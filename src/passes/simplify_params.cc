// Removes block parameters that always get one value.
//
//     jump b1(v1)                      jump b1
//   b1(v2):                    =>    b1:
//     ... uses v2 ...                  ... uses v1 ...
//     jump b1(v2)                      jump b1
//
// The value dominates the block, since every way into it carries it. A value that lived in another register
// stays behind a parameter: the moves on the edges are there for a reason. An `undef` counts as a value of
// its own.

#include "ir/edit.h"
#include "pass/pass.h"

namespace epass {

Result<Changed> simplify_params(Function& fn, PassContext& context) {
  // Blocks that nothing reaches may pass arguments, too.
  Changed changed = drop_unreachable(fn, context);
  const Cfg& cfg = context.analyses.cfg();
  for (bool again = true; again;) {
    again = false;
    for (Block b : cfg.rpo) {
      if (b == fn.entry()) continue;
      for (uint32_t n = uint32_t(fn.params(b).size()); n-- > 0;) {
        Value param = fn.params(b)[n], only;
        bool one = true;
        for (Edge e : cfg.incoming(b)) {
          Value v = fn.resolve(fn.args(e)[n]);
          if (v == param) continue;
          one &= !only || only == v;
          only = v;
        }
        if (!one || !only) continue;
        if (fn.home(only) != fn.home(param) && !fn.is(only, Opcode::Const)) continue;
        fn.replace(param, only);
        fn.remove_param(b, n, cfg.incoming(b));
        context.count("simplify-params.removed");
        changed |= Changed::kInstructions;
        again = true;
      }
    }
  }
  return changed;
}

}  // namespace epass
