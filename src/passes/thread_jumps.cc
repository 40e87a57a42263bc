// Leads edges past tests that they decide.
//
//   b1: jump b3(v1)  with v1 = 0            b1: jump b4
//   b2: jump b3(v2)  with v2 = -22    =>    b2: jump b5
//   b3(v3):
//     jne v3, 0, b5, b4
//
// An edge decides a test by the constants that it carries, or because it leaves a test of the same value. The
// verifier then has one test less to follow, and need not keep apart states that differ in what was tested.
// What stands before the test goes into each way, so only where every edge decides it: with copies beside the
// original, what follows meets in different states, and the verifier walks it once for each.

#include "analysis/analyses.h"
#include "ir/edit.h"
#include "pass/pass.h"
#include "passes/decided_way.h"
#include "passes/edge_copy.h"
#include "passes/ssa_repair.h"

namespace epass {
namespace {

constexpr int kRounds = 4;

class Threader {
 public:
  Threader(Function& fn, Analyses& analyses)
      : fn_(fn), cfg_(analyses.cfg()), dominators_(analyses.dominators()) {}

  Changed run(PassContext& context) {
    // What is at hand is a picture of the function before: first look, then edit.
    std::vector<Found> found;
    for (Block b : cfg_.rpo) {
      auto copies = look(b);
      if (copies.empty()) continue;
      taken_.at(b) = 1;
      for (const EdgeCopy& c : copies) taken_.at(cfg_.source(c.edge)) = 1;
      found.push_back({b, values_of(fn_, b), std::move(copies)});
    }
    if (found.empty()) return Changed::kNothing;
    for (auto& [b, values, copies] : found) {
      for (EdgeCopy& c : copies) make_edge_copy(fn_, cfg_.source(c.edge), b, c);
      context.count("thread-jumps.blocks");
    }
    remove_unreachable_blocks(fn_);
    SsaRepair repair(fn_);
    for (const auto& [b, values, copies] : found) {
      for (size_t k = 0; k < values.size(); ++k) {
        std::vector<Definition> others;
        for (const EdgeCopy& c : copies) others.push_back({c.block, c.values[k]});
        repair.mend(values[k], b, others);
      }
    }
    for (const auto& [b, values, copies] : found)
      for (const EdgeCopy& c : copies) finish_edge_copy(fn_, c);
    fn_.compact_aliases();
    return Changed::kControlFlow;
  }

 private:
  struct Found {
    Block block = {};
    std::vector<Value> values = {};  // as they were: mending one block may give another a parameter
    std::vector<EdgeCopy> copies = {};
  };

  std::vector<EdgeCopy> look(Block b) const {
    const Inst end = fn_.terminator(b);
    if (b == fn_.entry() || taken_[b] || !is_conditional(fn_.insts[end].op) ||
        fn_.blocks[b].table_target != kNoOrigin)
      return {};
    bool empty = true;
    for (Inst i = fn_.blocks[b].first; i != end; i = fn_.next(i)) {
      const InstData& d = fn_.insts[i];
      if (d.core != kNoCore || info(d.op).effects & ~kCommutes || d.op == Opcode::Symbol) return {};
      empty &= d.op == Opcode::Const && !fn_.home(d.result);
    }
    std::vector<EdgeCopy> copies;
    for (Edge e : cfg_.incoming(b)) {
      const Block from = cfg_.source(e);
      const Opcode op = fn_.insts[fn_.terminator(from)].op;
      if (dominators_.dominates(b, from)) return {};  // the head of a loop
      if (taken_[from] || (op != Opcode::Jump && !is_conditional(op))) continue;
      const auto way = decided_way(fn_, cfg_, e);
      if (way && fn_.target(end, *way) != b) copies.push_back({.edge = e, .way = *way});
    }
    if (!empty && copies.size() != cfg_.incoming(b).size()) return {};
    return copies;
  }

  Function& fn_;
  const Cfg& cfg_;
  const Dominators& dominators_;
  SideTable<Block, uint8_t> taken_ = SideTable<Block, uint8_t>(0);  // whose edges have their changes already
};

}  // namespace

Result<Changed> thread_jumps(Function& fn, PassContext& context) {
  Changed changed = drop_unreachable(fn, context);
  for (int round = 0; round < kRounds; ++round) {
    if (Threader(fn, context.analyses).run(context) == Changed::kNothing) break;
    context.analyses.control_flow_changed();
    changed = Changed::kControlFlow;
  }
  return changed;
}

}  // namespace epass
