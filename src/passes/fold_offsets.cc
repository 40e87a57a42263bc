// Lets loads and stores add the constant themselves.
//
//     v1 = add v0, 16                          (for dce)
//     v2 = load.u32 v1+0               =>      v2 = load.u32 v0+16
//
// Only if all readers of the sum take it: else its operand would have to live on beside it.

#include "pass/pass.h"

namespace epass {
namespace {

struct Sum {
  Value base = {};
  int64_t constant = 0;
};

std::optional<Sum> as_sum(const Function& fn, Inst i) {
  const InstData& d = fn.insts[i];
  if ((d.op != Opcode::Add && d.op != Opcode::Sub) || d.width != Width::k64) return {};
  const auto c = fn.constant(fn.operand(i, 1), Width::k64);
  if (!c || int64_t(*c) != int32_t(*c)) return {};
  return Sum{fn.operand(i, 0), d.op == Opcode::Add ? int64_t(*c) : -int64_t(*c)};
}

bool takes(const Function& fn, Inst user, Value sum, int64_t constant) {
  const InstData& d = fn.insts[user];
  if (!(info(d.op).fields & kOffset) || is_call(d.op) || d.core != kNoCore || fn.operand(user, 0) != sum)
    return false;
  for (size_t n = 1; n < d.operand_count; ++n)
    if (fn.operand(user, n) == sum) return false;
  return d.offset + constant == int16_t(d.offset + constant);
}

// Everybody who reads `v`, through copies.
bool readers(const Function& fn, const Users& users, Value v, std::vector<std::pair<Inst, Value>>& out) {
  for (Inst i : users.of(v)) {
    if (out.size() > 64) return false;
    if (fn.insts[i].op != Opcode::Copy || fn.home(fn.insts[i].result).is_stack())
      out.push_back({i, v});
    else if (!readers(fn, users, fn.insts[i].result, out))
      return false;
  }
  return true;
}

}  // namespace

Result<Changed> fold_offsets(Function& fn, PassContext& context) {
  Changed changed = Changed::kNothing;
  const Users& users = context.analyses.users();
  for (Inst i : fn.all_insts()) {
    const auto sum = as_sum(fn, i);
    std::vector<std::pair<Inst, Value>> found;
    if (!sum || !readers(fn, users, fn.insts[i].result, found) || found.empty()) continue;
    bool all = true;
    for (const auto& [user, value] : found) all = all && takes(fn, user, value, sum->constant);
    if (!all) context.missed(fn, i, "a reader needs the sum itself, or has no room for the constant");
    if (!all) continue;
    for (const auto& [user, value] : found) {
      std::vector<Value> operands(fn.operands(user).begin(), fn.operands(user).end());
      operands[0] = sum->base;
      fn.set_operands(user, operands);
      fn.insts[user].offset = int16_t(fn.insts[user].offset + sum->constant);
    }
    context.count("fold-offsets.sums");
    changed = Changed::kInstructions;
  }
  return changed;
}

}  // namespace epass
