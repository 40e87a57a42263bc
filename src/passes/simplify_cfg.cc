// Makes the control flow plain.
//
//     jeq v0, 0, b1, b1        =>   jump b1                 both edges lead to the same place
//     jump b1;  b1: jump b2    =>   jump b2                 a block that only jumps on
//     jump b1;  b1: ...        =>   ...                     the only way in, and nothing else follows
//
// and removes what cannot be reached. The order of blocks stays, but for a block that moves up to its only
// predecessor. Jumps of very large functions are not led past jumps: that turns conditions round, the
// verifier walks the other side first, and may then find no state to stop at (the kernel's test strobemeta.c,
// 16,004 instructions: 176,165 become more than its limit of a million).

#include <algorithm>

#include "analysis/cfg.h"
#include "ir/builder.h"
#include "ir/edit.h"
#include "pass/pass.h"

namespace epass {
namespace {

bool same_edges(const Function& fn, Inst end) {
  if (fn.insts[end].edge_count != 2 || fn.insts[end].op == Opcode::GotoX) return false;
  Edge a = fn.edge(end, 0), b = fn.edge(end, 1);
  if (fn.edges[a].to != fn.edges[b].to) return false;
  auto x = fn.args(a), y = fn.args(b);
  return std::ranges::equal(x, y, [&](Value v, Value w) { return fn.resolve(v) == fn.resolve(w); });
}

// A block without parameters that only jumps on, and needs no move on the way.
bool only_forwards(const Function& fn, Block b) {
  Inst end = fn.terminator(b);
  if (fn.blocks[b].first != end || fn.insts[end].op != Opcode::Jump || !fn.params(b).empty() ||
      fn.target(end, 0) == b)
    return false;
  if (fn.blocks[b].table_target != kNoOrigin) return false;
  auto params = fn.params(fn.target(end, 0));
  auto args = fn.args(fn.edge(end, 0));
  for (size_t k = 0; k < params.size(); ++k)
    if (!fn.home(params[k]) || fn.home(fn.resolve(args[k])) != fn.home(params[k])) return false;
  return true;
}

bool forward_edges(Function& fn, const PassContext& context) {
  if (fn.insts.size() > kMostWithFewJumps) {
    context.missed(fn, fn.blocks[fn.entry()].first, "the function is too large to lead jumps past jumps");
    return false;
  }
  bool changed = false;
  for (Block b : fn.all_blocks()) {
    Inst end = fn.terminator(b);
    if (fn.insts[end].op == Opcode::GotoX) continue;
    for (uint32_t n = 0; n < fn.insts[end].edge_count; ++n) {
      Edge e = fn.edge(end, n);
      Block to = fn.edges[e].to;
      // A chain of such blocks may be a cycle: the number of steps is bounded.
      for (int steps = 0; steps < 64 && to != b && only_forwards(fn, to); ++steps) {
        Edge on = fn.edge(fn.terminator(to), 0);
        std::vector<Value> args(fn.args(on).begin(), fn.args(on).end());
        fn.edges[e].to = to = fn.edges[on].to;
        fn.set_args(e, args);
        changed = true;
      }
    }
  }
  return changed;
}

// Whether the code of `b` continues in the block behind it.
bool falls_through(const Function& fn, Block b) {
  Inst end = fn.terminator(b);
  for (uint32_t n = 0; n < fn.insts[end].edge_count; ++n)
    if (fn.target(end, n) == fn.next(b)) return true;
  return false;
}

// Puts `b` at the end of its only predecessor.
void merge_into(Function& fn, Block pred, Block b) {
  Inst jump = fn.terminator(pred);
  auto params = fn.params(b);
  auto args = fn.args(fn.edge(jump, 0));
  for (size_t k = 0; k < params.size(); ++k) {
    Value v = fn.resolve(args[k]);
    if (fn.home(v) != fn.home(params[k]) && !fn.is(v, Opcode::Undef)) {
      InstData copy{.op = Opcode::Copy, .origin = fn.insts[jump].origin};
      v = fn.insts[fn.insert_before(jump, copy, std::span(&v, 1), fn.home(params[k]))].result;
    }
    fn.replace(params[k], v);
  }
  fn.append_all(pred, b);
}

bool merge_blocks(Function& fn) {
  SideTable<Block, uint32_t> ways_in(fn.blocks.size(), 0);
  for (Block b : fn.all_blocks()) {
    Inst end = fn.terminator(b);
    for (uint32_t n = 0; n < fn.insts[end].edge_count; ++n) ++ways_in.at(fn.target(end, n));
  }
  bool changed = false;
  std::vector<Block> order;
  for (Block b : fn.all_blocks()) order.push_back(b);
  for (Block b : order) {
    if (!fn.blocks[b].placed) continue;
    for (;;) {
      Inst end = fn.terminator(b);
      if (fn.insts[end].op != Opcode::Jump) break;
      Block to = fn.target(end, 0);
      if (to == b || to == fn.entry() || ways_in[to] != 1 || fn.blocks[to].table_target != kNoOrigin) break;
      if (to != fn.next(b) && falls_through(fn, to)) break;
      merge_into(fn, b, to);
      changed = true;
    }
  }
  return changed;
}

}  // namespace

Result<Changed> simplify_cfg(Function& fn, PassContext& context) {
  bool changed = false;
  for (Block b : fn.all_blocks()) {
    if (!same_edges(fn, fn.terminator(b))) continue;
    keep_only_edge(fn, b, 0);
    context.count("simplify-cfg.decided");
    changed = true;
  }
  if (forward_edges(fn, context)) context.count("simplify-cfg.forwarded"), changed = true;
  if (remove_unreachable_blocks(fn)) context.count("simplify-cfg.unreachable"), changed = true;
  if (merge_blocks(fn)) context.count("simplify-cfg.merged"), changed = true;
  return changed ? Changed::kControlFlow : Changed::kNothing;
}

}  // namespace epass
