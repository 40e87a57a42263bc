// Calls one of several functions that are the same.
//
//     call func f(v0)                      call func f(v0)
//     call func g(v1)               =>     call func f(v1)       (g goes with drop-unused)
//
// Static functions only, with the same instructions and the same symbols: how a value is called, where it
// came from and which source line it stands on does not count.

#include <unordered_map>

#include "ir/text.h"
#include "passes/call_graph.h"

namespace epass {
namespace {

// What the function does, as text.
std::string content(const Function& fn, const Symbols& symbols) {
  Function plain = fn;
  plain.name = plain.section = "";
  plain.inlined.clear();
  return print(plain, symbols, {.origins = false});
}

}  // namespace

Result<Changed> merge_functions(Members& members, ModulePassContext& context) {
  Changed changed = Changed::kNothing;
  const CallGraph graph(members, context.symbols);
  std::unordered_map<std::string, bpf::FunctionId> known;
  // From below: functions that call the same may be the same.
  for (bpf::FunctionId id : graph.bottom_up()) {
    const Member& member = members.list[id.index];
    if (!member.fn || !member.is_private || graph.calls_to(id).empty()) continue;
    const auto [same, is_first] = known.emplace(content(*member.fn, context.symbols), id);
    if (is_first) continue;
    // A symbol that leads there: any call of it has one.
    const CallSite& model = graph.calls_to(same->second).front();
    const InstData& call = members.list[model.caller.index].fn->insts[model.call];
    for (const CallSite& site : graph.calls_to(id)) {
      Member& caller = members.list[site.caller.index];
      if (caller.is_fixed) continue;
      InstData& data = caller.fn->insts[site.call];
      data.symbol = call.symbol, data.imm = call.imm;
      caller.changed = changed = Changed::kInstructions;
      context.count("merge-functions.calls");
    }
  }
  return changed;
}

}  // namespace epass
