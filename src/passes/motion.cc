#include "passes/motion.h"

#include <algorithm>
#include <vector>

namespace epass {

bool Motion::is_movable(Inst i) const {
  const InstData& d = fn_.insts[i];
  if ((!is_arithmetic(d.op) && d.op != Opcode::Load) || d.core != kNoCore || fn_.home(d.result).is_stack())
    return false;
  return std::ranges::none_of(fn_.operands(i), [&](Value v) {
    const Inst def = fn_.def(v);
    return fn_.home(fn_.resolve(v)).is_stack() || (def && fn_.insts[def].core != kNoCore);
  });
}

bool Motion::is_changed_by(Inst i, Inst other) const {
  const Opcode op = fn_.insts[other].op;
  if (!(info(op).effects & kWrites)) return false;
  if (fn_.insts[i].op == Opcode::Load) return memory_.may_write(other, memory_.location(i));
  return is_call(op) && memory_.may_write(other, {.at = {.region = Region::kPacket}, .bytes = 1});
}

bool Motion::lives_at(Value v, Block b, Inst i) const {
  constexpr size_t kMostBlocks = 64, kMostUsers = 64;
  const Inst def = fn_.def(v);
  const Block made = def ? fn_.insts[def].block : fn_.values[v].block;
  std::vector<Block> seen;
  auto see = [&](Block x) {
    if (x != made && std::ranges::find(seen, x) == seen.end()) seen.push_back(x);
  };
  const auto users = users_.of(v);
  for (Inst u : users.first(std::min(users.size(), kMostUsers)))
    if (u != i) see(fn_.insts[u].block);
  for (size_t n = 0; n < seen.size() && n < kMostBlocks; ++n) {
    if (seen[n] == b) return true;
    for (Edge e : cfg_.incoming(seen[n])) see(cfg_.source(e));
  }
  return false;
}

bool Motion::is_made_anew(Value v) const {
  const Inst def = fn_.def(v);
  return def && fn_.insts[def].operand_count == 0 && !is_call(fn_.insts[def].op);
}

bool Motion::is_own_operand(Value v) const {
  const Inst def = fn_.def(v);
  return def && (fn_.insts[def].op == Opcode::Const || fn_.insts[def].op == Opcode::SlotAddr) &&
         !fn_.home(v) && users_.of(v).size() == 1;
}

void Motion::move(Inst i, Inst at) {
  for (size_t n = 0; n < fn_.operands(i).size(); ++n)
    if (const Value v = fn_.operand(i, n); is_own_operand(v)) fn_.move_before(fn_.def(v), at);
  fn_.move_before(i, at);
}

}  // namespace epass
