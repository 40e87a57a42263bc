#include "analysis/range_use.h"

#include <algorithm>
#include <vector>

namespace epass {
namespace {

// Values that are followed, and users looked at, before the answer is yes.
constexpr size_t kMostValues = 64, kMostUsers = 512;

}  // namespace

bool RangeUse::is_needed(Value v) const {
  std::vector<Value> values;
  // Who reads a value that was replaced since the users were listed is found by both names.
  auto follow = [&](Value name) {
    for (Value next : {name, fn_.resolve(name)})
      if (std::ranges::find(values, next) == values.end()) values.push_back(next);
  };
  follow(v);
  size_t seen = 0;
  for (size_t n = 0; n < values.size(); ++n) {
    if (values.size() > kMostValues || !users_.know(values[n])) return true;
    const Value at = fn_.resolve(values[n]);
    for (Inst user : users_.of(values[n])) {
      if (++seen > kMostUsers) return true;
      const InstData& d = fn_.insts[user];
      const bool is_operand =
          std::ranges::any_of(fn_.operands(user), [&](Value operand) { return fn_.resolve(operand) == at; });
      if (is_operand && is_needed_by(user, at)) return true;
      if (is_operand && (d.op == Opcode::Copy || is_arithmetic(d.op))) follow(d.result);
      for (uint32_t k = 0; k < d.edge_count; ++k) {
        const auto args = fn_.args(fn_.edge(user, k));
        for (size_t j = 0; j < args.size(); ++j)
          if (fn_.resolve(args[j]) == at) follow(fn_.params(fn_.target(user, k))[j]);
      }
    }
  }
  return false;
}

bool RangeUse::is_needed_by(Inst user, Value v) const {
  const InstData& d = fn_.insts[user];
  if (d.op == Opcode::Copy || is_arithmetic(d.op)) return false;  // what becomes of it is followed
  if (d.op == Opcode::Store) return fn_.resolve(fn_.operand(user, 0)) == v || may_be_spilled_to(user);
  if (is_conditional(d.op) && fn_.operands(user).size() == 2) {
    const Value x = fn_.operand(user, 0), y = fn_.operand(user, 1);
    return !fn_.constant(fn_.resolve(x) == v ? y : x, d.width);
  }
  return true;
}

// The verifier knows what was stored on the stack as a word or a half of one when it is loaded again.
bool RangeUse::may_be_spilled_to(Inst store) const {
  if (fn_.insts[store].size < MemSize::kU32) return false;
  const Inst base = fn_.def(fn_.source(fn_.operand(store, 0)));
  return !base || (fn_.insts[base].op != Opcode::Load && fn_.insts[base].op != Opcode::CallHelper &&
                   fn_.insts[base].op != Opcode::Symbol);
}

}  // namespace epass
