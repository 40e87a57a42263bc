#pragma once
// Copies of blocks in the same function or in another, with the edges between them.

#include <utility>
#include <vector>

#include "ir/function.h"

namespace epass {

class BlockCopies {
 public:
  BlockCopies(Function& to, const Function& from) : to_(to), from_(from) {}

  // An empty block behind `after` that is to be the copy of `b`.
  Block add(Block b, Block after) { return blocks_.at(b) = to_.add_block(after); }
  // What the copies have for a value of the originals: a parameter of theirs, or another value.
  void add_param(Block b, Value v, Home home) { set_value(v, to_.add_param(blocks_[b], home)); }
  void set_value(Value v, Value now) { values_.at(v) = now; }
  // Fills the copy of `b`. `change` may change what an instruction is and the home of its result.
  template <class Change>
  void fill(Block b, Change change) {
    for (Inst i = from_.blocks[b].first; i; i = from_.next(i)) {
      InstData data = from_.insts[i];
      data.edge_count = 0;
      Home home = data.result ? from_.home(data.result) : Home{};
      change(data, home);
      const Value old = data.result;
      const Inst made = to_.append(blocks_[b], data, {}, home);
      if (old) set_value(old, to_.insts[made].result);
      insts_.push_back({i, made});
    }
  }
  // When all are filled: their operands and edges. An edge to a block leads to what `target` makes of that.
  template <class Target>
  void connect(Target target) {
    for (auto [old, made] : insts_) {
      to_.set_operands(made, mapped(from_.operands(old)));
      std::vector<Block> targets;
      for (uint32_t n = 0; n < from_.insts[old].edge_count; ++n)
        targets.push_back(target(from_.target(old, n)));
      if (targets.empty()) continue;
      to_.set_targets(made, targets);
      for (uint32_t n = 0; n < targets.size(); ++n)
        to_.set_args(to_.edge(made, n), mapped(from_.args(from_.edge(old, n))));
    }
  }

  Block block(Block b) const { return blocks_[b]; }  // none: it has no copy
  // What the copies have for `v`; itself if it is none of the originals'.
  Value value(Value v) const {
    v = from_.resolve(v);
    return values_[v] ? values_[v] : v;
  }
  // Each instruction and its copy.
  const std::vector<std::pair<Inst, Inst>>& insts() const { return insts_; }

 private:
  std::vector<Value> mapped(std::span<const Value> values) const {
    std::vector<Value> out;
    for (Value v : values) out.push_back(value(v));
    return out;
  }

  Function& to_;
  const Function& from_;
  SideTable<Block, Block> blocks_;
  SideTable<Value, Value> values_;
  std::vector<std::pair<Inst, Inst>> insts_;
};

}  // namespace epass
