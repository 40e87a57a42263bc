#include "passes/ssa_repair.h"

#include <algorithm>

namespace epass {

void SsaRepair::mend(Value v, Block home, std::span<const Definition> others) {
  value_ = v;
  ends_.clear(), begins_.clear(), params_.clear();
  ends_.at(home) = v;
  bool apart = true;
  for (const Definition& d : others) {
    ends_.at(d.block) = d.value;
    apart &= !dominators_.dominates(home, d.block);
  }
  home_ = apart ? home : Block{};
  for (Inst i : users_.of(v)) {
    const Block b = fn_.insts[i].block;
    if (b == home || !cfg_.reachable(b) || has_own(b)) continue;
    if (std::ranges::count(fn_.operands(i), v)) {
      const Value now = at_begin(b);
      std::ranges::replace(fn_.operands(i), v, now);
    }
    for (uint32_t n = 0; n < fn_.insts[i].edge_count; ++n) {
      const Edge e = fn_.edge(i, n);
      if (!std::ranges::count(fn_.args(e), v)) continue;
      const Value now = at_end(b);
      std::ranges::replace(fn_.args(e), v, now);
    }
  }
  while (!params_.empty()) {
    const Block b = params_.back();
    params_.pop_back();
    for (Edge e : cfg_.incoming(b)) {
      const Value now = at_end(cfg_.source(e));
      fn_.add_arg(e, now);
    }
  }
}

Value SsaRepair::at_end(Block b) { return ends_[b] ? ends_[b] : at_begin(b); }

Value SsaRepair::at_begin(Block b) {
  // Up to a definition, or to where ways meet. What lies between learns the answer.
  std::vector<Block> passed;
  Value found;
  while (!found) {
    passed.push_back(b);
    if (begins_[b]) {
      found = begins_[b];
    } else if (has_own(b)) {
      found = value_;
    } else if (cfg_.incoming(b).size() != 1) {
      found = fn_.add_param(b, fn_.home(value_));
      params_.push_back(b);
    } else {
      b = cfg_.source(cfg_.incoming(b)[0]);
      found = ends_[b];
    }
  }
  for (Block p : passed) begins_.at(p) = found;
  return found;
}

}  // namespace epass
