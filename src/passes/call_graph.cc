#include "passes/call_graph.h"

#include <algorithm>

#include "bpf/insn.h"

namespace epass {

uint32_t frame_bytes(const Function& fn) {
  int depth = 0;
  for (uint32_t n = 0; n < fn.slots.size(); ++n) depth = std::max(depth, -int(fn.slots[Slot{n}].place));
  for (Block b : fn.all_blocks()) {
    for (Value v : fn.params(b))
      if (fn.home(v).is_stack()) depth = std::max(depth, -int(fn.home(v).code));
    for (Inst i : fn.insts_of(b))
      if (Value v = fn.insts[i].result; v && fn.home(v).is_stack())
        depth = std::max(depth, -int(fn.home(v).code));
  }
  return static_cast<uint32_t>(depth);
}

CallGraph::CallGraph(const Members& members, const Symbols& symbols)
    : callees_(members.list.size()), calls_to_(members.list.size()), used_(members.list.size()) {
  auto visit = [&](auto found) {
    for (uint32_t n = 0; n < members.list.size(); ++n) {
      const Function* fn = members.list[n].fn;
      if (!fn) continue;
      for (Block b : fn->all_blocks())
        for (Inst i : fn->insts_of(b)) {
          const InstData& d = fn->insts[i];
          if ((d.op != Opcode::CallFunc && d.op != Opcode::Symbol) || !d.symbol) continue;
          const bpf::FunctionId to = symbols[d.symbol].function;
          if (to && to.index < members.list.size())
            found(bpf::FunctionId{n}, i, to, d.op == Opcode::CallFunc);
        }
    }
  };
  visit([&](bpf::FunctionId from, Inst, bpf::FunctionId to, bool) {
    auto& list = callees_[from.index];
    if (std::ranges::find(list, to) == list.end()) list.push_back(to);
  });
  find_used(members);
  visit([&](bpf::FunctionId from, Inst i, bpf::FunctionId to, bool is_call) {
    if (is_call && used_[from.index]) calls_to_[to.index].push_back({from, i});
  });
  for (const Member& member : members.list)
    frames_.push_back(member.fn ? frame_bytes(*member.fn) : bpf::kStackSize + 1);
}

void CallGraph::find_used(const Members& members) {
  std::vector<bpf::FunctionId> work;
  auto use = [&](bpf::FunctionId id) {
    if (!used_[id.index]) used_[id.index] = 1, work.push_back(id);
  };
  for (uint32_t n = 0; n < members.list.size(); ++n)
    if (!members.list[n].is_private) use(bpf::FunctionId{n});
  while (!work.empty()) {
    const bpf::FunctionId id = work.back();
    work.pop_back();
    for (bpf::FunctionId to : callees_[id.index]) use(to);
  }
}

std::vector<bpf::FunctionId> CallGraph::bottom_up() const {
  std::vector<bpf::FunctionId> order;
  std::vector<uint32_t> waits(callees_.size());
  std::vector<std::vector<uint32_t>> callers(callees_.size());
  for (uint32_t n = 0; n < callees_.size(); ++n) {
    waits[n] = static_cast<uint32_t>(callees_[n].size());
    for (bpf::FunctionId to : callees_[n]) callers[to.index].push_back(n);
  }
  for (uint32_t n = 0; n < callees_.size(); ++n)
    if (!waits[n]) order.push_back(bpf::FunctionId{n});
  for (size_t k = 0; k < order.size(); ++k)
    for (uint32_t caller : callers[order[k].index])
      if (--waits[caller] == 0) order.push_back(bpf::FunctionId{caller});
  return order;
}

void CallGraph::find_depths() {
  depths_known_ = true;
  above_.assign(callees_.size(), 0);
  below_.assign(callees_.size(), bpf::kStackSize + 1);  // of those that call themselves
  const std::vector<bpf::FunctionId> order = bottom_up();
  for (bpf::FunctionId id : order) {
    uint32_t deepest = 0;
    for (bpf::FunctionId to : callees_[id.index]) deepest = std::max(deepest, below_[to.index]);
    below_[id.index] = rounded_frame(frame(id)) + deepest;
  }
  for (size_t k = order.size(); k-- > 0;) {
    const uint32_t reached = above_[order[k].index] + rounded_frame(frame(order[k]));
    for (bpf::FunctionId to : callees_[order[k].index])
      above_[to.index] = std::max(above_[to.index], reached);
  }
}

uint32_t CallGraph::depth_with(bpf::FunctionId caller, bpf::FunctionId callee, uint32_t frame) {
  if (!depths_known_) find_depths();
  uint32_t deepest = 0;
  for (bpf::FunctionId from : {caller, callee})
    for (bpf::FunctionId to : callees_[from.index])
      if (to != callee) deepest = std::max(deepest, below_[to.index]);
  return above_[caller.index] + rounded_frame(frame) + deepest;
}

void CallGraph::copied(bpf::FunctionId caller, bpf::FunctionId callee, uint32_t frame) {
  auto& list = callees_[caller.index];
  for (bpf::FunctionId to : callees_[callee.index])
    if (std::ranges::find(list, to) == list.end()) list.push_back(to);
  if (frames_[caller.index] != frame) depths_known_ = false;
  frames_[caller.index] = frame;
}

}  // namespace epass
