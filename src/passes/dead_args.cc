// Passes no arguments that nobody reads, and computes no results that nobody reads.
//
//     v3 = call func f(v1, v2)             v3 = call func f(v1, undef)
//   f(v0, v1):                     =>    f(v0, v1):
//     ... without v1                       ... without v1
//     return v5     v3 is not used         return undef
//
// Static functions only: the verifier looks at what a register holds when it is read. The registers of the
// others stay the same, and so does what BTF says about the function.

#include "ir/builder.h"
#include "ir/edit.h"
#include "passes/call_graph.h"

namespace epass {
namespace {

class DeadArgs {
 public:
  DeadArgs(Members& members, ModulePassContext& context)
      : members_(members), context_(context), graph_(members, context.symbols) {}

  Changed run() {
    // From above: what a caller does not need, it need not be given.
    const std::vector<bpf::FunctionId> order = graph_.bottom_up();
    for (size_t k = order.size(); k-- > 0;) {
      const Member& callee = members_.list[order[k].index];
      if (!callee.fn || !callee.is_private || callee.is_fixed || !graph_.is_used(order[k])) continue;
      drop_arguments(order[k]);
      drop_result(order[k]);
    }
    return changed_;
  }

 private:
  const SideTable<Value, uint32_t>& uses(bpf::FunctionId id) {
    auto [known, is_new] = uses_.try_emplace(id, SideTable<Value, uint32_t>(0));
    if (is_new) known->second = count_uses(*members_.list[id.index].fn);
    return known->second;
  }
  void change(Member& member) {
    member.changed |= Changed::kInstructions;
    changed_ = Changed::kInstructions;
    uses_.erase(members_.id(member));
  }

  void drop_arguments(bpf::FunctionId id) {
    const Function& callee = *members_.list[id.index].fn;
    const auto params = callee.params(callee.entry());
    for (size_t n = 0; n < params.size(); ++n) {
      if (uses(id)[params[n]]) continue;
      for (const CallSite& site : graph_.calls_to(id)) {
        Member& caller = members_.list[site.caller.index];
        Function& fn = *caller.fn;
        if (caller.is_fixed || n >= fn.operands(site.call).size() ||
            fn.is(fn.operand(site.call, n), Opcode::Undef))
          continue;
        std::vector<Value> operands(fn.operands(site.call).begin(), fn.operands(site.call).end());
        operands[n] = Builder::before(fn, site.call).undef();
        fn.set_operands(site.call, operands);
        caller.relies_on.insert(id);
        context_.count("dead-args.arguments");
        change(caller);
      }
    }
  }

  void drop_result(bpf::FunctionId id) {
    Member& callee = members_.list[id.index];
    for (const CallSite& site : graph_.calls_to(id)) {
      const Member& caller = members_.list[site.caller.index];
      if (caller.is_fixed || uses(site.caller)[caller.fn->insts[site.call].result]) return;
    }
    Function& fn = *callee.fn;
    bool any = false;
    for (Inst i : fn.all_insts()) {
      if (fn.insts[i].op != Opcode::Return || fn.is(fn.operand(i, 0), Opcode::Undef)) continue;
      const Value nothing[] = {Builder::before(fn, i).undef()};
      fn.set_operands(i, nothing);
      any = true;
    }
    if (!any) return;
    for (const CallSite& site : graph_.calls_to(id)) callee.relies_on.insert(site.caller);
    context_.count("dead-args.results");
    change(callee);
  }

  Members& members_;
  ModulePassContext& context_;
  const CallGraph graph_;
  std::map<bpf::FunctionId, SideTable<Value, uint32_t>> uses_;
  Changed changed_ = Changed::kNothing;
};

}  // namespace

Result<Changed> dead_args(Members& members, ModulePassContext& context) {
  return DeadArgs(members, context).run();
}

}  // namespace epass
