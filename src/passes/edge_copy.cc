#include "passes/edge_copy.h"

namespace epass {

std::vector<Value> values_of(const Function& fn, Block b) {
  std::vector<Value> values(fn.params(b).begin(), fn.params(b).end());
  for (Inst i : fn.insts_of(b))
    if (fn.insts[i].result) values.push_back(fn.insts[i].result);
  return values;
}

void make_edge_copy(Function& fn, Block from, Block b, EdgeCopy& copy) {
  const Inst end = fn.terminator(b), before = fn.terminator(from);
  const bool behind = fn.insts[before].edge_count == 1 || fn.edge(before, 1) == copy.edge;
  copy.block = fn.split_edge(copy.edge, behind ? from : fn.last_block());
  const Inst jump = fn.terminator(copy.block);
  const Edge on = fn.edge(jump, 0), taken = fn.edge(end, copy.way);
  fn.insts[jump].origin = fn.insts[end].origin;
  const std::vector<Value> originals = values_of(fn, b);
  // Copies, so that what comes along the edge can be mended as any other use.
  const std::vector<Value> passed(fn.args(on).begin(), fn.args(on).end());
  copy.moves = passed.size();
  for (Value v : passed) {
    const Inst move = fn.insert_before(jump, {.op = Opcode::Copy}, std::span(&v, 1));
    copy.values.push_back(fn.insts[move].result);
  }
  auto now = [&](Value v) {
    v = fn.resolve(v);
    for (size_t k = 0; k < copy.values.size(); ++k)
      if (originals[k] == v) return copy.values[k];
    return v;
  };
  for (Inst i = fn.blocks[b].first; i != end; i = fn.next(i)) {
    std::vector<Value> operands;
    for (Value v : fn.operands(i)) operands.push_back(now(v));
    const Inst made = fn.insert_before(jump, fn.insts[i], operands, fn.home(fn.insts[i].result));
    copy.values.push_back(fn.insts[made].result);
  }
  std::vector<Value> args;
  for (Value v : fn.args(taken)) args.push_back(now(v));
  fn.edges[on].to = fn.edges[taken].to;
  fn.set_args(on, args);
}

void finish_edge_copy(Function& fn, const EdgeCopy& copy) {
  if (!fn.blocks[copy.block].placed) return;
  for (size_t k = 0; k < copy.moves; ++k) {
    const Inst move = fn.blocks[copy.block].first;
    fn.replace(fn.insts[move].result, fn.operand(move, 0));
    fn.remove(move);
  }
  const Inst jump = fn.terminator(copy.block);
  if (fn.blocks[copy.block].first != jump) return;
  const Edge on = fn.edge(jump, 0);
  const std::vector<Value> args(fn.args(on).begin(), fn.args(on).end());
  fn.edges[copy.edge].to = fn.edges[on].to;
  fn.set_args(copy.edge, args);
  fn.remove_block(copy.block);
}

}  // namespace epass
