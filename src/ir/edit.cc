#include "ir/edit.h"

#include <vector>

namespace epass {

bool remove_unreachable_blocks(Function& fn) {
  SideTable<Block, uint8_t> reached(fn.blocks.size(), 0);
  std::vector<Block> work{fn.entry()};
  reached.at(fn.entry()) = 1;
  while (!work.empty()) {
    Inst end = fn.terminator(work.back());
    work.pop_back();
    for (uint32_t n = 0; n < fn.insts[end].edge_count; ++n) {
      Block to = fn.target(end, n);
      if (!reached[to]) reached.at(to) = 1, work.push_back(to);
    }
  }
  std::vector<Block> dead;
  for (Block b : fn.all_blocks())
    if (!reached[b]) dead.push_back(b);
  for (Block b : dead) fn.remove_block(b);
  return !dead.empty();
}

void keep_only_edge(Function& fn, Block b, uint32_t n) {
  InstData& end = fn.insts[fn.terminator(b)];
  end.first_edge = Edge{end.first_edge.index + n};
  end.edge_count = 1;
  end.op = Opcode::Jump;
  end.operand_count = 0;
  end.width = Width::k64;
}

void become_constant(Function& fn, Inst i, uint64_t value) {
  InstData& d = fn.insts[i];
  d.op = Opcode::Const;
  d.width = Width::k64;
  d.form = Form::kNatural;
  d.size = MemSize::kU64;
  d.offset = 0;
  d.imm = int64_t(value);
  d.operand_count = 0;
}

void replace_keeping_home(Function& fn, Inst i, Value v) {
  InstData& d = fn.insts[i];
  if (fn.home(d.result) == fn.home(v) || fn.is(v, Opcode::Const) || !fn.home(d.result)) {
    fn.replace(d.result, v);
    fn.remove(i);
    return;
  }
  d.op = Opcode::Copy;
  d.width = Width::k64;
  d.imm = 0;
  fn.set_operands(i, std::span(&v, 1));
}

void replace_keeping_slot(Function& fn, Inst i, Value v) {
  const Value old = fn.insts[i].result;
  if (fn.home(old).is_stack() || fn.home(v).is_stack()) return replace_keeping_home(fn, i, v);
  fn.replace(old, v);
  fn.remove(i);
}

SideTable<Value, uint32_t> count_uses(const Function& fn) {
  SideTable<Value, uint32_t> uses(fn.values.size(), 0);
  for (Block b : fn.all_blocks()) {
    for (Inst i : fn.insts_of(b)) {
      for (Value v : fn.operands(i)) ++uses.at(fn.resolve(v));
      for (uint32_t n = 0; n < fn.insts[i].edge_count; ++n)
        for (Value v : fn.args(fn.edge(i, n))) ++uses.at(fn.resolve(v));
    }
  }
  return uses;
}

}  // namespace epass
