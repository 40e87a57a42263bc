#pragma once
// Which blocks every path to a block goes through.

#include <vector>

#include "ir/function.h"

namespace epass {

// Immediate dominators of a graph whose vertices are numbered in depth-first order: `parent` is that search's
// tree, the predecessors of v are preds[begin[v]] up to begin[v + 1]. Vertex 0 is the root, and its own.
std::vector<uint32_t> immediate_dominators(const std::vector<uint32_t>& parent,
                                           const std::vector<uint32_t>& begin,
                                           const std::vector<uint32_t>& preds);

// Immediate dominators of reachable blocks, in near-linear time whatever the shape of the function (Lengauer,
// Tarjan: "A fast algorithm for finding dominators in a flowgraph").
class Dominators {
 public:
  explicit Dominators(const Function& fn);
  bool reachable(Block b) const { return number_[b] != kNone; }
  // The entry, and what cannot be reached, have none.
  Block idom(Block b) const { return reachable(b) && number_[b] ? blocks_[idom_[number_[b]]] : Block{}; }
  // Whether all paths to `b` go through `a`, in constant time. Unreachable blocks are dominated by all, and
  // dominate only each other.
  bool dominates(Block a, Block b) const {
    uint32_t x = number_[a], y = number_[b];
    if (x == kNone || y == kNone) return y == kNone;
    return first_[x] <= first_[y] && first_[y] < first_[x] + size_[x];
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  void find_tree(const Function& fn, const std::vector<uint32_t>& parent);

  SideTable<Block, uint32_t> number_ = SideTable<Block, uint32_t>(kNone);  // in depth-first order
  std::vector<Block> blocks_;                                              // by number
  std::vector<uint32_t> idom_;
  std::vector<uint32_t> first_, size_;  // intervals of the tree
};

}  // namespace epass
