#include "analysis/cfg.h"

#include <algorithm>

namespace epass {

Cfg::Cfg(const Function& fn) {
  // Post-order with an explicit stack of (block, next edge).
  std::vector<std::pair<Block, uint32_t>> stack;
  auto visit = [&](Block b) {
    number_.at(b) = 0;
    stack.push_back({b, 0});
  };
  if (!fn.entry()) return;
  visit(fn.entry());
  while (!stack.empty()) {
    auto& [b, n] = stack.back();
    Inst end = fn.terminator(b);
    if (!end || n == fn.insts[end].edge_count) {
      rpo.push_back(b);
      stack.pop_back();
      continue;
    }
    Block to = fn.target(end, n++);
    if (!reachable(to)) visit(to);
  }
  std::ranges::reverse(rpo);
  for (uint32_t k = 0; k < rpo.size(); ++k) number_.at(rpo[k]) = k;
  // Edges into each block: count, then place.
  SideTable<Block, uint32_t> count(0);
  auto each_edge = [&](auto visit_edge) {
    for (Block b : fn.all_blocks()) {
      Inst end = fn.terminator(b);
      if (!end || !reachable(b)) continue;
      for (uint32_t n = 0; n < fn.insts[end].edge_count; ++n) visit_edge(b, fn.edge(end, n));
    }
  };
  each_edge([&](Block, Edge e) { ++count.at(fn.edges[e].to); });
  std::vector<Edge> room;
  for (Block b : rpo) {
    room.assign(count[b], Edge{});
    refs_.at(b) = incoming_.add(room);
    count.at(b) = 0;
  }
  each_edge([&](Block b, Edge e) {
    Block to = fn.edges[e].to;
    incoming_.span(refs_[to])[count.at(to)++] = e;
    sources_.at(e) = b;
  });
}

Dominators::Dominators(const Function& fn, const Cfg& cfg) {
  if (cfg.rpo.empty()) return;
  Block entry = fn.entry();
  std::vector<uint32_t> idom(cfg.rpo.size(), UINT32_MAX);
  idom[0] = 0;
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t k = 1; k < cfg.rpo.size(); ++k) {
      uint32_t best = UINT32_MAX;
      for (Edge e : cfg.incoming(cfg.rpo[k])) {
        uint32_t p = cfg.number(cfg.source(e));
        if (idom[p] == UINT32_MAX) continue;
        if (best == UINT32_MAX) {
          best = p;
          continue;
        }
        while (best != p) {
          while (best > p) best = idom[best];
          while (p > best) p = idom[p];
        }
      }
      if (idom[k] != best) idom[k] = best, changed = true;
    }
  }
  // Interval numbers: sizes of subtrees bottom-up, then starts top-down.
  std::vector<uint32_t> size(idom.size(), 1), start(idom.size(), 0), next(idom.size(), 1);
  for (size_t k = idom.size(); k-- > 1;) size[idom[k]] += size[k];
  for (size_t k = 1; k < idom.size(); ++k) {
    start[k] = start[idom[k]] + next[idom[k]];
    next[idom[k]] += size[k];
  }
  for (size_t k = 0; k < idom.size(); ++k) {
    Block b = cfg.rpo[k];
    if (b != entry) idom_.at(b) = cfg.rpo[idom[k]];
    first_.at(b) = start[k];
    last_.at(b) = start[k] + size[k] - 1;
  }
}

}  // namespace epass
