// Where block parameters go: for each variable the iterated dominance frontier of its definitions, cut to
// blocks in which it is live. The frontier is walked on the dominator tree with one visit per block and
// variable (Sreedhar and Gao, "A linear time algorithm for placing phi-nodes", 1995).

#include "lift/phis.h"

#include <algorithm>

namespace epass {

static void block_effect(const bpf::Program& program, const bpf::Function& fn, const CallFacts& facts,
                         const FlowBlock& block, VarMask& uses, VarMask& defs) {
  uses = defs = 0;
  for (uint32_t i = block.begin; i < block.end; i += bpf::records(fn.insns[i])) {
    RegisterEffect e = register_effect(program, fn, i, facts);
    uses |= e.uses & ~defs;
    defs |= e.defs;
  }
}

void compute_liveness(const bpf::Program& program, const bpf::Function& fn, const CallFacts& facts,
                      Flow& flow) {
  uint32_t count = uint32_t(flow.blocks.size());
  std::vector<VarMask> uses(count), defs(count);
  std::vector<uint32_t> work;
  std::vector<uint8_t> queued(count, 1);
  for (uint32_t b = 0; b < count; ++b) {
    block_effect(program, fn, facts, flow.blocks[b], uses[b], defs[b]);
    work.push_back(b);
  }
  while (!work.empty()) {
    uint32_t b = work.back();
    work.pop_back();
    queued[b] = 0;
    VarMask out = 0;
    for (uint32_t s : flow.succs(b)) out |= flow.blocks[s].live_in;
    VarMask in = uses[b] | (out & ~defs[b]);
    if (in == flow.blocks[b].live_in) continue;
    flow.blocks[b].live_in = in;
    for (uint32_t p : flow.preds(b))
      if (!queued[p]) queued[p] = 1, work.push_back(p);
  }
}

PhiPlaces place_phis(const bpf::Program& program, const bpf::Function& fn, const CallFacts& facts,
                     const Flow& flow) {
  uint32_t count = uint32_t(flow.blocks.size());
  PhiPlaces phis(count);
  std::vector<VarMask> defs(count);
  VarMask uses = 0;
  for (uint32_t b = 0; b < count; ++b) block_effect(program, fn, facts, flow.blocks[b], uses, defs[b]);
  // Children in the dominator tree as lists, by level for the bank of roots.
  std::vector<uint32_t> child_begin(count + 2), children(count);
  uint32_t levels = 0;
  for (uint32_t b = 1; b < count; ++b) ++child_begin[flow.idom[b] + 2];
  for (uint32_t b = 0; b < count; ++b) levels = std::max(levels, flow.level[b] + 1);
  for (uint32_t b = 2; b < child_begin.size(); ++b) child_begin[b] += child_begin[b - 1];
  for (uint32_t b = 1; b < count; ++b) children[child_begin[flow.idom[b] + 1]++] = b;
  std::vector<std::vector<uint32_t>> bank(levels);
  std::vector<uint32_t> visited(count, UINT32_MAX), work;
  for (uint32_t var = 0; var < kMaxVars; ++var) {
    VarMask bit = VarMask{1} << var;
    bool any = false;
    // The entry defines every variable: as an argument, or as undefined.
    for (uint32_t b = 0; b < count; ++b)
      if (defs[b] & bit || (b == 0 && flow.blocks[0].live_in & bit))
        bank[flow.level[b]].push_back(b), any |= defs[b] & bit;
    if (!any) {
      for (auto& list : bank) list.clear();
      continue;
    }
    for (uint32_t top = levels; top-- > 0;) {
      while (!bank[top].empty()) {
        uint32_t root = bank[top].back();
        bank[top].pop_back();
        if (visited[root] != var) visited[root] = var, work.push_back(root);
        while (!work.empty()) {
          uint32_t x = work.back();
          work.pop_back();
          for (uint32_t y : flow.succs(x)) {
            bool tree_edge = y != 0 && flow.idom[y] == x;
            if (tree_edge || flow.level[y] > flow.level[root] || phis[y] & bit ||
                !(flow.blocks[y].live_in & bit))
              continue;
            phis[y] |= bit;
            if (!(defs[y] & bit)) bank[flow.level[y]].push_back(y);
          }
          for (uint32_t k = child_begin[x]; k < child_begin[x + 1]; ++k)
            if (visited[children[k]] != var) visited[children[k]] = var, work.push_back(children[k]);
        }
      }
    }
  }
  return phis;
}

}  // namespace epass
