#include "analysis/cfg.h"

#include <algorithm>

namespace epass {

Cfg::Cfg(const Function& fn)
    : refs_(fn.blocks.size(), {}), sources_(fn.edges.size(), {}), number_(fn.blocks.size(), UINT32_MAX) {
  // Post-order with an explicit stack of (block, next edge).
  std::vector<std::pair<Block, uint32_t>> stack;
  auto visit = [&](Block b) {
    number_.at(b) = 0;
    stack.push_back({b, 0});
  };
  if (!fn.entry()) return;
  rpo.reserve(fn.blocks.size());
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
  SideTable<Block, uint32_t> count(fn.blocks.size(), 0);
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

bool Cfg::operator==(const Cfg& other) const {
  if (rpo != other.rpo) return false;
  for (Block b : rpo) {
    if (!std::ranges::equal(incoming(b), other.incoming(b))) return false;
    for (Edge e : incoming(b))
      if (source(e) != other.source(e)) return false;
  }
  return true;
}

}  // namespace epass
