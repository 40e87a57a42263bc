#include "analysis/congruence.h"

namespace epass {

size_t Congruence::Hash::operator()(const Key& key) const {
  uint64_t hash = 14695981039346656037ull;
  for (uint32_t part : key) hash = (hash ^ part) * 1099511628211ull;
  return size_t(hash ^ hash >> 29);
}

Congruence::Congruence(const Function& fn, const Cfg& cfg) : fn_(fn), cfg_(cfg) {
  // A walk more for each loop around, as a rule. What has not come to rest tells nothing.
  constexpr int kMostWalks = 12;
  bool again = true;
  for (int walk = 0; again && walk < kMostWalks; ++walk) {
    again = false;
    table_.clear();
    auto set = [&](Value v, uint32_t number) {
      uint32_t& now = numbers_.at(v);
      again |= now != number;
      now = number;
    };
    for (Block b : cfg.rpo) {
      const auto params = fn.params(b);
      for (size_t n = 0; n < params.size(); ++n) set(params[n], find(b, n));
      for (Inst i : fn.insts_of(b))
        if (fn.insts[i].result) set(fn.insts[i].result, find(i));
    }
  }
  if (again) numbers_.clear(), table_.clear();
}

// A number is that of the first value that has it, + 1.
uint32_t Congruence::find(Block b, size_t n) {
  const uint32_t own = fn_.params(b)[n].index + 1;
  if (b == fn_.entry()) return own;
  Key key{b.index, UINT32_MAX};
  uint32_t only = kNone;
  bool one = true;
  for (Edge e : cfg_.incoming(b)) {
    const uint32_t arg = number(fn_.args(e)[n]);
    key.push_back(arg);
    if (arg == kNone) continue;  // not reached yet
    one &= only == kNone || only == arg;
    only = arg;
  }
  if (one && only != kNone) return only;
  return table_.try_emplace(std::move(key), own).first->second;
}

uint32_t Congruence::find(Inst i) {
  const InstData& d = fn_.insts[i];
  if (d.op == Opcode::Copy) return number(fn_.operand(i, 0));
  if ((!is_constant(d.op) && !is_arithmetic(d.op)) || d.core != kNoCore) return d.result.index + 1;
  std::vector<uint32_t> operands;
  for (size_t n = 0; n < d.operand_count; ++n) operands.push_back(number(fn_.operand(i, n)));
  return table_.try_emplace(key_of(i, operands), d.result.index + 1).first->second;
}

Congruence::Key Congruence::key_of(Inst i, std::span<const uint32_t> operands) const {
  const InstData& d = fn_.insts[i];
  Key key{UINT32_MAX,      uint32_t(d.op) << 8 | uint32_t(d.width),
          uint32_t(d.imm), uint32_t(uint64_t(d.imm) >> 32),
          d.pseudo,        d.symbol.index,
          d.slot.index};
  const size_t first = key.size();
  key.insert(key.end(), operands.begin(), operands.end());
  if (info(d.op).effects & kCommutes && key[first] > key[first + 1]) std::swap(key[first], key[first + 1]);
  return key;
}

uint32_t Congruence::number_with(Inst i, std::span<const uint32_t> operands) const {
  const auto it = table_.find(key_of(i, operands));
  return it == table_.end() ? kNone : it->second;
}

}  // namespace epass
