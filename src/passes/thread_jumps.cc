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
// original, what follows meets in different states, and the verifier walks it once for each. The same for a
// block that only chooses between constants on its way to such a test (flags that are tested again).

#include <algorithm>

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
    const bool tests = is_conditional(fn_.insts[end].op);
    if (b == fn_.entry() || taken_[b] || (!tests && !leads_to_decided_test(b))) return {};
    const auto content = content_of(b);
    if (content == Content::kStays) return {};
    std::vector<EdgeCopy> copies;
    for (Edge e : cfg_.incoming(b)) {
      const Block from = cfg_.source(e);
      const Opcode op = fn_.insts[fn_.terminator(from)].op;
      if (dominators_.dominates(b, from)) return {};  // the head of a loop
      if (taken_[from] || (op != Opcode::Jump && !is_conditional(op))) continue;
      const auto way = tests ? decided_way(fn_, cfg_, std::span(&e, 1)) : 0;
      if (way && fn_.target(end, *way) != b) copies.push_back({.edge = e, .way = *way});
    }
    const bool all = copies.size() == cfg_.incoming(b).size();
    return all || (tests && content == Content::kNothing) ? copies : std::vector<EdgeCopy>{};
  }

  enum class Content : uint8_t { kNothing, kPure, kStays };
  // What stands in `b` before its end.
  Content content_of(Block b) const {
    if (fn_.blocks[b].table_target != kNoOrigin) return Content::kStays;
    const Inst end = fn_.terminator(b);
    Content content = Content::kNothing;
    for (Inst i = fn_.blocks[b].first; i != end; i = fn_.next(i)) {
      const InstData& d = fn_.insts[i];
      if (d.core != kNoCore || info(d.op).effects & ~kCommutes || d.op == Opcode::Symbol)
        return Content::kStays;
      if (d.op != Opcode::Const || fn_.home(d.result)) content = Content::kPure;
    }
    return content;
  }

  // Whether `b` only chooses what a test behind it will see: it goes into the ways, and all ways decide.
  bool leads_to_decided_test(Block b) const {
    const Inst end = fn_.terminator(b);
    if (fn_.insts[end].op != Opcode::Jump || cfg_.incoming(b).size() < 2) return false;
    const Edge last = fn_.edge(end, 0);
    const Block test = fn_.edges[last].to;
    if (!is_conditional(fn_.insts[fn_.terminator(test)].op) || content_of(test) == Content::kStays)
      return false;
    auto decided = [&](std::initializer_list<Edge> path) {
      return !dominators_.dominates(test, cfg_.source(*path.begin())) &&
             decided_way(fn_, cfg_, std::span(path.begin(), path.size()));
    };
    for (Edge e : cfg_.incoming(test))
      if (e != last && !decided({e})) return false;
    return std::ranges::all_of(cfg_.incoming(b), [&](Edge e) { return decided({e, last}); });
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
