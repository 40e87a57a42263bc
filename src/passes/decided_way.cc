#include "passes/decided_way.h"

#include <algorithm>

#include "ir/eval.h"

namespace epass {
namespace {

using Path = std::span<const Edge>;

// What `v`, seen in the block that `path` leads to, is for who comes along it.
Value along(const Function& fn, Path path, Value v) {
  v = fn.resolve(v);
  for (size_t step = path.size(); step-- > 0;) {
    const auto params = fn.params(fn.edges[path[step]].to);
    const auto param = std::ranges::find(params, v);
    if (param != params.end()) v = fn.resolve(fn.args(path[step])[size_t(param - params.begin())]);
  }
  return v;
}

std::optional<uint64_t> constant_along(const Function& fn, Path path, Value v, int depth = 0) {
  constexpr int kDeepest = 8;
  v = along(fn, path, v);
  const Inst i = fn.def(v);
  if (!i || depth > kDeepest) return {};
  const InstData& d = fn.insts[i];
  if (d.op == Opcode::Const) return d.core == kNoCore ? std::optional(uint64_t(d.imm)) : std::nullopt;
  if (d.op == Opcode::Copy) return constant_along(fn, path, fn.operand(i, 0), depth + 1);
  const bool unary = is_unary(d.op);
  if (d.core != kNoCore || (!unary && !is_binary(d.op))) return {};
  const auto x = constant_along(fn, path, fn.operand(i, 0), depth + 1);
  const auto y = unary ? x : constant_along(fn, path, fn.operand(i, 1), depth + 1);
  if (!x || !y) return {};
  return unary ? eval_unary(d.op, d.width, *x) : eval_binary(d.op, d.width, *x, *y);
}

}  // namespace

std::optional<uint32_t> decided_way(const Function& fn, const Cfg& cfg, Path path) {
  const Inst end = fn.terminator(fn.edges[path.back()].to);
  const InstData& test = fn.insts[end];
  const auto x = constant_along(fn, path, fn.operand(end, 0)),
             y = constant_along(fn, path, fn.operand(end, 1));
  if (x && y) return eval_condition(test.op, test.width, *x, *y) ? 0 : 1;
  if (!y) return {};
  // The test before, if it is of the same value.
  const Inst before = fn.terminator(cfg.source(path.front()));
  const InstData& other = fn.insts[before];
  if (!is_conditional(other.op) || other.width != test.width ||
      fn.target(before, 0) == fn.target(before, 1) ||
      fn.operand(before, 0) != along(fn, path, fn.operand(end, 0)))
    return {};
  const auto c = fn.constant(fn.operand(before, 1), other.width);
  const auto holds = fn.edge(before, 0) == path.front() ? other.op : negated(other.op);
  if (!c || !holds || other.op == Opcode::JumpSet) return {};
  if (*holds == Opcode::JumpEq) return eval_condition(test.op, test.width, *c, *y) ? 0 : 1;
  if (test.width == Width::k32 ? uint32_t(*c) != uint32_t(*y) : *c != *y) return {};
  if (test.op == *holds) return 0;
  return negated(test.op) == holds ? std::optional<uint32_t>(1) : std::nullopt;
}

}  // namespace epass
