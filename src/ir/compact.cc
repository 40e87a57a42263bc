// Gives a function's entities new ids, without gaps.

#include <algorithm>

#include "ir/function.h"

namespace epass {

namespace {

// The new ids of what is kept, in the order of the old ones.
template <class Key>
class Renumbering {
 public:
  explicit Renumbering(uint32_t size) : ids_(size) {}

  void keep(Key old) { ids_[old.index] = Key{0}; }
  bool keeps(Key old) const { return bool(ids_[old.index]); }
  void number() {
    for (Key& id : ids_)
      if (id) id = Key{count_++};
  }
  Key operator()(Key old) const { return old ? ids_[old.index] : Key{}; }

  // Leaves in `table` what is kept, each changed by `rename`. In place: new ids are not above the old.
  template <class T, class Rename>
  void rebuild(Table<Key, T>& table, Rename rename) const {
    for (uint32_t n = 0; n < ids_.size(); ++n) {
      if (!ids_[n]) continue;
      if (ids_[n].index != n) table[ids_[n]] = std::move(table[Key{n}]);
      rename(table[ids_[n]]);
    }
    table.truncate(count_);
  }

 private:
  std::vector<Key> ids_;
  uint32_t count_ = 0;
};

}  // namespace

bool Function::compact() {
  compact_aliases();
  Renumbering<Value> new_value(values.size());
  Renumbering<Inst> new_inst(insts.size());
  Renumbering<Block> new_block(blocks.size());
  Renumbering<Edge> new_edge(edges.size());
  for (Block b : all_blocks()) {
    new_block.keep(b);
    for (Value v : params(b)) new_value.keep(v);
    for (Inst i : insts_of(b)) {
      new_inst.keep(i);
      if (insts[i].result) new_value.keep(insts[i].result);
      for (size_t n = 0; n < insts[i].edge_count; ++n) new_edge.keep(edge(i, n));
    }
  }
  // Code that nothing leads to may use what is gone.
  auto all_kept = [&](std::span<const Value> used) {
    return std::ranges::all_of(used, [&](Value v) { return new_value.keeps(v); });
  };
  for (Block b : all_blocks())
    for (Inst i : insts_of(b)) {
      if (!all_kept(operands(i))) return false;
      for (size_t n = 0; n < insts[i].edge_count; ++n)
        if (!all_kept(args(edge(i, n))) || !new_block.keeps(target(i, n))) return false;
    }
  new_value.number(), new_inst.number(), new_block.number(), new_edge.number();

  ListPool<Value> pool;
  auto move_list = [&](std::span<const Value> list) {
    std::vector<Value> renamed;
    for (Value v : list) renamed.push_back(new_value(v));
    return pool.add(renamed);
  };
  new_value.rebuild(values, [&](ValueData& v) { v.inst = new_inst(v.inst), v.block = new_block(v.block); });
  new_edge.rebuild(edges,
                   [&](EdgeData& e) { e.args = move_list(pool_.span(e.args)), e.to = new_block(e.to); });
  new_inst.rebuild(insts, [&](InstData& d) {
    if (d.operand_count > d.inline_operands.size())
      d.inline_operands = {Value{move_list(pool_.span({d.inline_operands[0].index, d.operand_count})).begin}};
    else
      for (size_t n = 0; n < d.operand_count; ++n) d.inline_operands[n] = new_value(d.inline_operands[n]);
    d.result = new_value(d.result), d.block = new_block(d.block);
    d.prev = new_inst(d.prev), d.next = new_inst(d.next);
    if (d.edge_count) d.first_edge = new_edge(d.first_edge);
  });
  new_block.rebuild(blocks, [&](BlockData& b) {
    b.params = move_list(pool_.span(b.params));
    b.first = new_inst(b.first), b.last = new_inst(b.last);
    b.prev = new_block(b.prev), b.next = new_block(b.next);
  });
  first_block_ = new_block(first_block_), last_block_ = new_block(last_block_);
  pool_ = std::move(pool);
  return true;
}

}  // namespace epass
