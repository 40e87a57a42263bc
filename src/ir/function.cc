#include "ir/function.h"

namespace epass {

Block Function::add_block(Block after) {
  Block b = blocks.add({});
  move_block_after(b, after ? after : last_block_);
  return b;
}

void Function::move_block_after(Block b, Block after) {
  BlockData& data = blocks[b];
  if (data.placed) {
    (data.prev ? blocks[data.prev].next : first_block_) = data.next;
    (data.next ? blocks[data.next].prev : last_block_) = data.prev;
  }
  data.placed = true;
  data.prev = after;
  data.next = after ? blocks[after].next : first_block_;
  (data.prev ? blocks[data.prev].next : first_block_) = b;
  (data.next ? blocks[data.next].prev : last_block_) = b;
}

void Function::remove_block(Block b) {
  BlockData& data = blocks[b];
  EPASS_CHECK(data.placed && b != first_block_, "only placed blocks other than the entry can be removed");
  for (Inst i : insts_of(b)) insts[i].block = {};
  blocks[data.prev].next = data.next;
  (data.next ? blocks[data.next].prev : last_block_) = data.prev;
  data.placed = false;
}

Value Function::add_param(Block b, Home home) {
  Value v = values.add({.block = b, .home = home});
  pool_.push_back(blocks[b].params, v);
  return v;
}

void Function::remove_param(Block b, uint32_t n, std::span<const Edge> incoming) {
  pool_.erase(blocks[b].params, n);
  for (Edge e : incoming) pool_.erase(edges[e].args, n);
}

Inst Function::make(Block b, InstData data, std::span<const Value> operands, Home home) {
  data.block = b;
  data.prev = data.next = {};
  Inst i = insts.add(data);
  set_operands(i, operands);
  insts[i].result = info(data.op).has_result ? values.add({.inst = i, .home = home}) : Value{};
  return i;
}

Inst Function::append(Block b, InstData data, std::span<const Value> operands, Home home) {
  Inst i = make(b, data, operands, home);
  Inst last = blocks[b].last;
  insts[i].prev = last;
  (last ? insts[last].next : blocks[b].first) = i;
  blocks[b].last = i;
  return i;
}

Inst Function::insert_before(Inst at, InstData data, std::span<const Value> operands, Home home) {
  Block b = insts[at].block;
  EPASS_CHECK(b, "insertion before a removed instruction");
  Inst i = make(b, data, operands, home);
  Inst before = insts[at].prev;
  insts[i].prev = before;
  insts[i].next = at;
  insts[at].prev = i;
  (before ? insts[before].next : blocks[b].first) = i;
  return i;
}

void Function::remove(Inst i) {
  InstData& data = insts[i];
  EPASS_CHECK(data.block, "instruction removed twice");
  BlockData& block = blocks[data.block];
  (data.prev ? insts[data.prev].next : block.first) = data.next;
  (data.next ? insts[data.next].prev : block.last) = data.prev;
  data.block = {};
}

Value Function::become_copy(Inst i, Value of, Home home) {
  InstData& data = insts[i];
  EPASS_CHECK(!data.result && !data.edge_count, "only what makes no value and ends no block becomes a copy");
  data.op = Opcode::Copy;
  data.offset = 0;
  data.imm = 0;
  set_operands(i, std::span(&of, 1));
  return insts[i].result = values.add({.inst = i, .home = home});
}

void Function::move_before(Inst i, Inst at) {
  remove(i);
  InstData& data = insts[i];
  data.block = insts[at].block;
  data.prev = insts[at].prev;
  data.next = at;
  insts[at].prev = i;
  (data.prev ? insts[data.prev].next : blocks[data.block].first) = i;
}

Block Function::split_before(Inst first) {
  Block head = insts[first].block;
  Block tail = add_block(head);
  Inst before = insts[first].prev;
  blocks[tail].first = first;
  blocks[tail].last = blocks[head].last;
  blocks[head].last = before;
  (before ? insts[before].next : blocks[head].first) = {};
  insts[first].prev = {};
  for (Inst i = first; i; i = insts[i].next) insts[i].block = tail;
  return tail;
}

void Function::append_all(Block pred, Block b) {
  remove(blocks[pred].last);
  Inst last = blocks[pred].last, first = blocks[b].first;
  (last ? insts[last].next : blocks[pred].first) = first;
  insts[first].prev = last;
  blocks[pred].last = blocks[b].last;
  for (Inst i = first; i; i = insts[i].next) insts[i].block = pred;
  blocks[b].first = blocks[b].last = {};
  remove_block(b);
}

void Function::set_operands(Inst i, std::span<const Value> operands) {
  InstData& data = insts[i];
  data.operand_count = static_cast<uint32_t>(operands.size());
  if (operands.size() <= 3) {
    std::ranges::copy(operands, data.inline_operands.begin());
  } else {
    data.inline_operands[0].index = pool_.add(operands).begin;
  }
}

Edge Function::set_targets(Inst i, std::span<const Block> targets) {
  InstData& data = insts[i];
  data.first_edge = Edge{edges.size()};
  data.edge_count = checked_cast<uint8_t>(targets.size());
  for (Block to : targets) edges.add({.to = to});
  return data.first_edge;
}

Block Function::split_edge(Edge e, Block place_after) {
  Block middle = add_block(place_after);
  Inst jump = append(middle, {.op = Opcode::Jump});
  Block to = edges[e].to;
  set_targets(jump, std::span(&to, 1));
  edges[insts[jump].first_edge].args = std::exchange(edges[e].args, {});
  edges[e].to = middle;
  return middle;
}

void Function::replace(Value from, Value to) {
  to = resolve(to);
  EPASS_CHECK(resolve(from) != to, "a value replaced by itself");
  values[resolve(from)].alias = to;
  has_aliases_ = true;
}

void Function::compact_aliases() {
  if (!has_aliases_) return;
  // Aliases form chains. Every value on the way learns the end, so that each link is followed once.
  for (uint32_t n = 0; n < values.size(); ++n) {
    const Value end = resolve(Value{n});
    for (Value v{n}; v != end; v = std::exchange(values[v].alias, end)) continue;
  }
  auto settle = [&](Value& v) {
    if (values[v].alias) v = values[v].alias;
  };
  for (Block b : all_blocks()) {
    for (Inst i : insts_of(b)) {
      for (Value& v : operands(i)) settle(v);
      for (uint32_t n = 0; n < insts[i].edge_count; ++n)
        for (Value& v : args(edge(i, n))) settle(v);
    }
  }
  // Nothing refers to a replaced value any more. A parameter among them is an unused parameter again.
  for (uint32_t n = 0; n < values.size(); ++n) values[Value{n}].alias = {};
  has_aliases_ = false;
}

Value Function::source(Value v) const {
  for (v = resolve(v); is(v, Opcode::Copy);) v = operand(def(v), 0);
  return v;
}

std::optional<uint64_t> Function::constant(Value v, Width width) const {
  Inst i = def(source(v));
  if (!i || insts[i].op != Opcode::Const || insts[i].core != kNoCore) return std::nullopt;
  return width == Width::k32 ? uint64_t(uint32_t(insts[i].imm)) : uint64_t(insts[i].imm);
}

std::vector<Inst> Function::all_insts() const {
  std::vector<Inst> all;
  all.reserve(insts.size());
  for (Block b : all_blocks())
    for (Inst i : insts_of(b)) all.push_back(i);
  return all;
}

}  // namespace epass
