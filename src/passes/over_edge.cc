#include "passes/over_edge.h"

#include <algorithm>

namespace epass {

Value over_edge(const Function& fn, Value v, Edge e) {
  v = fn.source(v);
  const auto params = fn.params(fn.edges[e].to);
  const auto param = std::ranges::find(params, v);
  return param == params.end() ? v : fn.resolve(fn.args(e)[size_t(param - params.begin())]);
}

uint32_t number_over_edge(const Function& fn, const Congruence& same, Inst i, Edge e) {
  std::vector<uint32_t> operands;
  for (size_t n = 0; n < fn.insts[i].operand_count; ++n) {
    operands.push_back(same.number(over_edge(fn, fn.operand(i, n), e)));
    if (operands.back() == Congruence::kNone) return Congruence::kNone;
  }
  return same.number_with(i, operands);
}

Location location_over_edge(const Function& fn, const MemoryModel& memory, Inst i, Edge e) {
  Location at = memory.location(i);
  if (!at.at.root) return at;
  const Value root = over_edge(fn, at.at.root, e);
  if (root == at.at.root) return at;
  const int64_t offset = at.at.offset;
  at.at = memory.pointee(root);
  at.at.offset += offset;
  return at;
}

bool is_as_at_begin(const Function& fn, const MemoryModel& memory, Inst load) {
  constexpr int kReach = 64;
  const Location at = memory.location(load);
  int steps = 0;
  for (Inst k = fn.blocks[fn.insts[load].block].first; k != load; k = fn.next(k))
    if (++steps > kReach || memory.may_write(k, at)) return false;
  return true;
}

bool is_movable(const Function& fn, Inst i) {
  for (size_t n = 0; n < fn.insts[i].operand_count; ++n) {
    const Inst def = fn.def(fn.source(fn.operand(i, n)));
    if (def && fn.insts[def].block == fn.insts[i].block && !is_constant(fn.insts[def].op)) return false;
  }
  return true;
}

Value make_over_edge(Function& fn, Inst i, Edge e, Inst end, Home home) {
  std::vector<Value> operands;
  for (size_t n = 0; n < fn.insts[i].operand_count; ++n) {
    Value v = over_edge(fn, fn.operand(i, n), e);
    const Inst def = fn.def(v);
    if (def && fn.insts[def].block == fn.insts[i].block)
      v = fn.insts[fn.insert_before(end, fn.insts[def], {}, fn.home(v))].result;
    operands.push_back(v);
  }
  return fn.insts[fn.insert_before(end, fn.insts[i], operands, home)].result;
}

}  // namespace epass
