// Puts small functions, and those that are called once, in place of their calls.
//
//     v1 = call func f(v0)                 v2 = add v0, 1        (the code of f)
//     return v1                    =>      return v2
//
// Static functions only: the verifier follows them at each call anyway, so copies are no work for it, and it
// learns what they are passed. What was in registers that a call loses may stay there. A function that is
// called several times goes only where all its copies together take no more records than the calls and
// itself. Its frame comes below the caller's, and all frames on a way must still fit into the stack. Calls in
// loops stay: the verifier forgets at the return what it knew in the function, so that it sees more rounds of
// the loop as the same.

#include <algorithm>

#include "analysis/analyses.h"
#include "bpf/contracts.h"
#include "bpf/insn.h"
#include "passes/call_graph.h"
#include "passes/inlining.h"

namespace epass {
namespace {

constexpr uint32_t kMostRecords = 100000;

// Whether copies of the code mean the same in a caller: nothing in it ends, or counts for, the function that
// it stands in.
bool may_be_copied(const Function& callee, const Symbols& symbols) {
  if (callee.is_entry || callee.is_global || !callee.entry()) return false;
  for (Block b : callee.all_blocks())
    for (Inst i : callee.insts_of(b)) {
      const InstData& d = callee.insts[i];
      switch (d.op) {
        case Opcode::GotoX:    // its table belongs to one function
        case Opcode::MayGoto:  // has a budget for each call
        case Opcode::LdAbs:    // may return from the function that it stands in
        case Opcode::LdInd:    //
        case Opcode::CallX:    // unknown
        case Opcode::Unreachable: return false;
        case Opcode::CallHelper:
          if (d.imm == bpf::kTailCall) return false;  // returns to the caller
          break;
        case Opcode::CallKfunc:
          if (!d.symbol || symbols[d.symbol].name == "bpf_throw") return false;
          break;
        default: break;
      }
    }
  return true;
}

class Inliner {
 public:
  Inliner(Members& members, ModulePassContext& context)
      : members_(members),
        context_(context),
        graph_(members, context.symbols),
        calls_from_(members.list.size()),
        sites_(members.list.size()),
        stays_(members.list.size()) {
    for (uint32_t n = 0; n < members.list.size(); ++n) {
      sizes_.push_back(members.list[n].records);
      const auto& calls = graph_.calls_to(bpf::FunctionId{n});
      calls_to_.push_back(static_cast<uint32_t>(calls.size()));
      for (const CallSite& site : calls) ++calls_from_[site.caller.index][n];
      if (!members.list[n].fn) continue;
      find_sites(*members.list[n].fn, sites_[n]);
      for (const bpf::Inlined& from : members.list[n].fn->inlined) sizes_[n] += from.size * from.copies;
    }
  }

  Changed run() {
    Changed changed = Changed::kNothing;
    for (bpf::FunctionId id : graph_.bottom_up()) {
      Member& caller = members_.list[id.index];
      if (!caller.fn || caller.is_fixed || !graph_.is_used(id)) continue;
      const uint32_t frame = (graph_.frame(id) + 7) & ~7u;
      for (Inst call : sites_[id.index]) {
        const Member* callee = members_.callee(*caller.fn, call, context_.symbols);
        if (callee == &caller || !wants(id, members_.id(*callee), frame)) continue;
        inline_call(*caller.fn, call, *callee->fn, members_.id(*callee), frame, caller.records,
                    callee->records);
        copied(id, members_.id(*callee), frame);
        caller.changed = changed = Changed::kControlFlow;
        context_.count("inline.calls");
      }
    }
    return changed;
  }

 private:
  void find_sites(const Function& fn, std::vector<Inst>& sites) {
    Analyses analyses(fn, context_.symbols);
    for (Inst i : fn.all_insts()) {
      has_tail_calls_ |= fn.insts[i].op == Opcode::CallHelper && fn.insts[i].imm == bpf::kTailCall;
      const Member* callee = members_.callee(fn, i, context_.symbols);
      if (!callee) continue;
      const bool is_in_loop = analyses.loops().depth(fn.insts[i].block) > 0;
      if (is_in_loop) stays_[members_.id(*callee).index] = true;
      if (!is_in_loop) sites.push_back(i);
    }
  }

  bool wants(bpf::FunctionId caller, bpf::FunctionId id, uint32_t frame) {
    const Member& callee = members_.list[id.index];
    if (!callee.fn || !may_be_copied(*callee.fn, context_.symbols)) return false;
    const uint32_t size = sizes_[id.index];
    const uint64_t calls = calls_to_[id.index];
    const bool may_go = callee.is_private && !stays_[id.index];
    // Each copy saves the call, the exit and about a move for each argument.
    const uint64_t saved = 2 + callee.fn->params(callee.fn->entry()).size();
    const bool once = calls == 1 && may_go;
    const bool small = calls * size <= calls * saved + (may_go ? size : 0);
    if ((!once && !small) || sizes_[caller.index] + size > kMostRecords) return false;
    // The stack must hold all frames on every way through the caller. Where there are tail calls, 256 bytes
    // may lie above them; else there is some room for spills.
    if (!graph_.frame(id)) return true;
    const uint32_t limit = has_tail_calls_ ? bpf::kStackSize / 2 : bpf::kStackSize - 64;
    return graph_.depth_with(caller, id, std::max(graph_.frame(caller), frame + graph_.frame(id))) <= limit;
  }

  void copied(bpf::FunctionId caller, bpf::FunctionId callee, uint32_t frame) {
    sizes_[caller.index] += sizes_[callee.index];
    if (graph_.frame(callee))
      graph_.copied(caller, callee, std::max(graph_.frame(caller), frame + graph_.frame(callee)));
    const bool is_last = --calls_to_[callee.index] == 0 && members_.list[callee.index].is_private;
    for (auto [to, calls] : calls_from_[callee.index]) {
      calls_from_[caller.index][to] += calls;
      if (!is_last) calls_to_[to] += calls;
    }
  }

  Members& members_;
  ModulePassContext& context_;
  CallGraph graph_;
  std::vector<uint32_t> sizes_;     // in records, with what was copied
  std::vector<uint32_t> calls_to_;  // of each function
  std::vector<std::map<uint32_t, uint32_t>> calls_from_;
  std::vector<std::vector<Inst>> sites_;  // of calls outside of loops, by caller
  std::vector<bool> stays_;               // whether it is called in a loop
  bool has_tail_calls_ = false;
};

}  // namespace

Result<Changed> inline_calls(Members& members, ModulePassContext& context) {
  return Inliner(members, context).run();
}

}  // namespace epass
