// Gives functions the constants that all their callers pass.
//
//     call func f(v1, 4)                   (dead-args takes the argument away)
//     call func f(v2, 4)            =>
//   f(v0, v1):                           f(v0, v1):
//     v2 = add v0, v1                      v3 = const 4
//                                          v2 = add v0, v3
//
// Static functions only, all of whose calls are known.

#include <optional>

#include "ir/builder.h"
#include "ir/edit.h"
#include "passes/call_graph.h"

namespace epass {
namespace {

std::optional<int64_t> common_constant(const Members& members, const std::vector<CallSite>& calls, size_t n) {
  std::optional<int64_t> common;
  for (const CallSite& site : calls) {
    const Function& fn = *members.list[site.caller.index].fn;
    if (n >= fn.operands(site.call).size()) return {};
    const auto constant = fn.constant(fn.operand(site.call, n), Width::k64);
    if (!constant || (common && *common != int64_t(*constant))) return {};
    common = int64_t(*constant);
  }
  // One that takes two records is cheaper where it is.
  if (!common || *common != int32_t(*common)) return {};
  return common;
}

}  // namespace

Result<Changed> constant_args(Members& members, ModulePassContext& context) {
  Changed changed = Changed::kNothing;
  const CallGraph graph(members, context.symbols);
  const std::vector<bpf::FunctionId> order = graph.bottom_up();
  // From above, so that constants are passed on.
  for (size_t k = order.size(); k-- > 0;) {
    Member& callee = members.list[order[k].index];
    if (!callee.fn || !callee.is_private || callee.is_fixed || graph.calls_to(order[k]).empty()) continue;
    Function& fn = *callee.fn;
    const auto uses = count_uses(fn);
    const auto params = fn.params(fn.entry());
    for (size_t n = 0; n < params.size(); ++n) {
      const auto constant =
          uses[params[n]] ? common_constant(members, graph.calls_to(order[k]), n) : std::nullopt;
      if (!constant) continue;
      const Inst first = fn.blocks[fn.entry()].first;
      const Inst made =
          fn.insert_before(first, {.op = Opcode::Const, .imm = *constant}, {}, fn.home(params[n]));
      fn.replace(params[n], fn.insts[made].result);
      context.count("constant-args.arguments");
      callee.changed |= Changed::kInstructions;
      changed = Changed::kInstructions;
    }
  }
  return changed;
}

}  // namespace epass
