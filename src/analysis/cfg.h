#pragma once
// Control flow derived from the function: edges into each block, and an order. Plain data, made when asked
// for. ir/dominators.h has the dominators.

#include <vector>

#include "ir/function.h"

namespace epass {

struct Cfg {
  explicit Cfg(const Function& fn);

  // Edges into `b` from reachable blocks, in layout order of their sources.
  std::span<const Edge> incoming(Block b) const { return incoming_.span(refs_[b]); }
  Block source(Edge e) const { return sources_[e]; }
  bool reachable(Block b) const { return number_[b] != UINT32_MAX; }

  std::vector<Block> rpo;                                // reachable blocks, entry first
  uint32_t number(Block b) const { return number_[b]; }  // index in rpo

  // Whether both have the same blocks and edges, in the same order.
  bool operator==(const Cfg& other) const;

 private:
  SideTable<Block, ListRef> refs_;
  ListPool<Edge> incoming_;
  SideTable<Edge, Block> sources_;
  SideTable<Block, uint32_t> number_ = SideTable<Block, uint32_t>(UINT32_MAX);
};

}  // namespace epass
