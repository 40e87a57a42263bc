#include "passes/tails.h"

#include <map>

#include "analysis/shape.h"
#include "bpf/contracts.h"

namespace epass {

Tail find_tail(const Function& fn, Block b) {
  constexpr size_t kLongest = 32;
  Tail tail{.block = b};
  tail.insts.push_back(fn.terminator(b));
  for (Inst i = fn.insts[fn.terminator(b)].prev; i && tail.shapes.size() < kLongest; i = fn.insts[i].prev) {
    if (fn.insts[i].core != kNoCore) break;
    tail.insts.push_back(i);
    tail.shapes.push_back(shape_of(fn.insts[i]));
  }
  return tail;
}

std::vector<std::vector<Tail>> find_alike(const Function& fn, const Cfg& cfg) {
  std::map<std::pair<Opcode, uint32_t>, std::vector<Block>> groups;
  for (Block b : fn.all_blocks()) {
    const Inst end = fn.terminator(b);
    const Opcode op = fn.insts[end].op;
    if (!cfg.reachable(b) || (op != Opcode::Jump && op != Opcode::Return)) continue;
    groups[{op, op == Opcode::Jump ? fn.target(end, 0).index : UINT32_MAX}].push_back(b);
  }
  std::vector<std::vector<Tail>> alike;
  for (const auto& [key, blocks] : groups) {
    if (blocks.size() < 2) continue;
    std::vector<Tail>& tails = alike.emplace_back();
    for (Block b : blocks) tails.push_back(find_tail(fn, b));
  }
  return alike;
}

size_t common_length(const Tail& a, const Tail& b) {
  size_t n = 0;
  while (n < a.shapes.size() && n < b.shapes.size() && a.shapes[n] == b.shapes[n]) ++n;
  return n;
}

static std::span<Value> operands_of(Function& fn, Inst i) {
  return fn.insts[i].op == Opcode::Jump ? fn.args(fn.edge(i, 0)) : fn.operands(i);
}

size_t operand_count(const Function& fn, const Tail& tail, size_t inst) {
  return operands_of(const_cast<Function&>(fn), tail.insts[inst]).size();
}

Value operand_at(const Function& fn, const Tail& tail, Position p) {
  return fn.resolve(operands_of(const_cast<Function&>(fn), tail.insts[p.inst])[p.operand]);
}

void set_operand(Function& fn, const Tail& tail, Position p, Value v) {
  operands_of(fn, tail.insts[p.inst])[p.operand] = v;
}

size_t maker(const Function& fn, const Tail& tail, Position p, size_t length) {
  const Inst def = fn.def(operand_at(fn, tail, p));
  for (size_t n = p.inst + 1; def && n <= length; ++n)
    if (tail.insts[n] == def) return n;
  return 0;
}

bool takes_any_scalar(const InstData& call, size_t operand) {
  const bpf::HelperContract* contract = bpf::helper(int32_t(call.imm));
  return contract && call.imm != bpf::kTailCall && operand < contract->args.size() &&
         contract->args[operand] == 's';
}

int64_t records_of(const Function& fn, Inst i) {
  const InstData& d = fn.insts[i];
  if (d.op == Opcode::Symbol) return 2;
  // Often part of the instruction that uses it.
  const bool in_place = d.op == Opcode::Const || d.op == Opcode::SlotAddr || d.op == Opcode::Undef;
  return in_place && !fn.home(d.result) ? 0 : 1;
}

}  // namespace epass
