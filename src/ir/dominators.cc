#include "ir/dominators.h"

namespace epass {
namespace {

// The forest of Lengauer and Tarjan: `best` finds the vertex of least semidominator on the way up to the
// root.
class Forest {
 public:
  Forest(const std::vector<uint32_t>& semi) : semi_(semi), up_(semi.size(), kNone), label_(semi.size()) {
    for (uint32_t v = 0; v < semi.size(); ++v) label_[v] = v;
  }
  void link(uint32_t parent, uint32_t v) { up_[v] = parent; }
  uint32_t best(uint32_t v) {
    if (up_[v] == kNone) return v;
    path_.clear();
    for (uint32_t x = v; up_[up_[x]] != kNone; x = up_[x]) path_.push_back(x);
    // From the top down, each vertex learns what its ancestor knows, and then skips it.
    while (!path_.empty()) {
      uint32_t x = path_.back(), above = up_[x];
      path_.pop_back();
      if (semi_[label_[above]] < semi_[label_[x]]) label_[x] = label_[above];
      up_[x] = up_[above];
    }
    return label_[v];
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  const std::vector<uint32_t>& semi_;
  std::vector<uint32_t> up_, label_, path_;
};

}  // namespace

Dominators::Dominators(const Function& fn) {
  if (!fn.entry()) return;
  // Depth-first numbers, with an explicit stack of (block, next edge).
  number_ = SideTable<Block, uint32_t>(fn.blocks.size(), UINT32_MAX);
  blocks_.reserve(fn.blocks.size());
  std::vector<uint32_t> parent;
  parent.reserve(fn.blocks.size());
  std::vector<std::pair<Block, uint32_t>> stack;
  auto visit = [&](Block b, uint32_t from) {
    number_.at(b) = uint32_t(blocks_.size());
    blocks_.push_back(b);
    parent.push_back(from);
    stack.push_back({b, 0});
  };
  visit(fn.entry(), 0);
  while (!stack.empty()) {
    auto& [b, n] = stack.back();
    Inst end = fn.terminator(b);
    if (!end || n == fn.insts[end].edge_count) {
      stack.pop_back();
      continue;
    }
    uint32_t from = number_[b];
    Block to = fn.target(end, n++);
    if (!reachable(to)) visit(to, from);
  }
  find_tree(fn, parent);
  // Intervals: sizes of subtrees bottom-up, then starts top-down. A dominator has a lower number.
  const size_t count = blocks_.size();
  first_.assign(count, 0), size_.assign(count, 1);
  std::vector<uint32_t> next(count, 1);
  for (size_t v = count; v-- > 1;) size_[idom_[v]] += size_[v];
  for (size_t v = 1; v < count; ++v) {
    first_[v] = first_[idom_[v]] + next[idom_[v]];
    next[idom_[v]] += size_[v];
  }
}

void Dominators::find_tree(const Function& fn, const std::vector<uint32_t>& parent) {
  const auto count = uint32_t(blocks_.size());
  // Predecessors, all in one list: those of v are at [begin[v], begin[v + 1]).
  std::vector<uint32_t> begin(count + 2, 0), preds;
  auto each_edge = [&](auto see) {
    for (uint32_t v = 0; v < count; ++v) {
      Inst end = fn.terminator(blocks_[v]);
      for (uint32_t n = 0; end && n < fn.insts[end].edge_count; ++n) see(v, number_[fn.target(end, n)]);
    }
  };
  each_edge([&](uint32_t, uint32_t to) { ++begin[to + 2]; });
  for (uint32_t v = 2; v < count + 2; ++v) begin[v] += begin[v - 1];
  preds.resize(begin[count + 1]);
  each_edge([&](uint32_t from, uint32_t to) { preds[begin[to + 1]++] = from; });
  idom_ = immediate_dominators(parent, begin, preds);
}

std::vector<uint32_t> immediate_dominators(const std::vector<uint32_t>& parent,
                                           const std::vector<uint32_t>& begin,
                                           const std::vector<uint32_t>& preds) {
  constexpr uint32_t kNone = UINT32_MAX;
  const auto count = uint32_t(parent.size());
  std::vector<uint32_t> idom(count, 0);
  std::vector<uint32_t> semi(count), bucket(count, kNone), in_bucket(count, kNone);
  for (uint32_t v = 0; v < count; ++v) semi[v] = v;
  Forest forest(semi);
  for (uint32_t w = count; w-- > 1;) {
    for (uint32_t k = begin[w]; k < begin[w + 1]; ++k)
      semi[w] = std::min(semi[w], semi[forest.best(preds[k])]);
    in_bucket[w] = bucket[semi[w]], bucket[semi[w]] = w;
    forest.link(parent[w], w);
    for (uint32_t v = bucket[parent[w]]; v != kNone; v = in_bucket[v]) {
      uint32_t u = forest.best(v);
      idom[v] = semi[u] < semi[v] ? u : parent[w];
    }
    bucket[parent[w]] = kNone;
  }
  for (uint32_t v = 1; v < count; ++v)
    if (idom[v] != semi[v]) idom[v] = idom[idom[v]];
  return idom;
}

}  // namespace epass
