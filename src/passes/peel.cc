// Puts the first trip of a small loop in front of it.
//
//     jump b1(v0)                            v2 = add v0, v0
//   b1(v1):                                  jlt v2, 9, b1(v2), b2(v2)
//     v2 = add v1, v1                =>    b1(v3):
//     jlt v2, 9, b1(v2), b2(v2)              v4 = add v3, v3
//                                            jlt v4, 9, b1(v4), b2(v4)
//
// What is special in the first trip, as a counter that is 0 still, can be computed in the copy then, and what
// every trip loads is known in the others. It costs the records of the copy: for those who ask for it. Only
// loops that have none in them, `size` instructions at most, each `trips` times.

#include <algorithm>

#include "pass/pass.h"
#include "passes/block_copies.h"
#include "passes/edge_copy.h"
#include "passes/ssa_repair.h"

namespace epass {
namespace {

class Peeler {
 public:
  Peeler(Function& fn, Analyses& analyses)
      : fn_(fn), cfg_(analyses.cfg()), loops_(analyses.loops()), blocks_(loops_.all.size()) {
    for (Block b : cfg_.rpo)
      if (loops_.innermost(b) != Loops::kNone) blocks_[loops_.innermost(b)].push_back(b);
    for (const Loop& loop : loops_.all)
      if (loop.parent != Loops::kNone) blocks_[loop.parent].clear();
  }

  // The first header, in layout order, of a loop that may be peeled and is none of `done`.
  Block find(const std::vector<Block>& done, uint64_t most) const {
    for (Block b : fn_.all_blocks())
      if (std::ranges::find(done, b) == done.end() && is_small(loop_of(b), most)) return b;
    return {};
  }

  void peel(Block header) {
    const std::vector<Block> blocks = loop_of(header);
    std::vector<Edge> entries;
    for (Edge e : cfg_.incoming(header))
      if (!loops_.contains(loops_.innermost(header), cfg_.source(e))) entries.push_back(e);
    Block last = cfg_.source(entries[0]);
    BlockCopies copies(fn_, fn_);
    std::vector<std::pair<Value, Block>> values;
    for (Block b : blocks) {
      last = copies.add(b, last);
      for (Value v : values_of(fn_, b)) values.push_back({v, b});
      const std::vector<Value> params(fn_.params(b).begin(), fn_.params(b).end());
      for (Value v : params) copies.add_param(b, v, fn_.home(v));
    }
    for (Block b : blocks) copies.fill(b, [](InstData&, Home&) {});
    // The copy's edges stay in the copy, but for those that begin the next trip: that is the loop's.
    copies.connect([&](Block to) { return to != header && copies.block(to) ? copies.block(to) : to; });
    for (Edge e : entries) fn_.edges[e].to = copies.block(header);
    SsaRepair repair(fn_);
    for (auto [v, b] : values) {
      const Definition other[] = {{copies.block(b), copies.value(v)}};
      repair.mend(v, b, other);
    }
  }

 private:
  // The blocks of the loop with that header, if there is no loop in it.
  std::vector<Block> loop_of(Block header) const {
    const uint32_t l = loops_.innermost(header);
    return l != Loops::kNone && loops_.all[l].header == header ? blocks_[l] : std::vector<Block>();
  }

  bool is_small(const std::vector<Block>& blocks, uint64_t most) const {
    uint64_t size = 0;
    if (blocks.empty()) return false;
    for (Block b : blocks) {
      if (fn_.blocks[b].table_target != kNoOrigin) return false;
      for (Inst i : fn_.insts_of(b)) {
        const InstData& d = fn_.insts[i];
        if (++size > most || d.core != kNoCore || d.op == Opcode::GotoX || d.op == Opcode::MayGoto)
          return false;
      }
    }
    return true;
  }

  Function& fn_;
  const Cfg& cfg_;
  const Loops& loops_;
  std::vector<std::vector<Block>> blocks_;  // of each loop that has no other in it
};

}  // namespace

Result<Changed> peel(Function& fn, PassContext& context) {
  constexpr uint64_t kMostLoops = 16, kMostTrips = 16;
  const auto size = number_option(context, "peel", "size", 24);
  const auto trips = number_option(context, "peel", "trips", 1);
  if (!size || !trips) return fail(size ? trips.error() : size.error());
  Changed changed = drop_unreachable(fn, context);
  std::vector<Block> done;
  for (uint64_t trip = 0; trip || done.size() < kMostLoops;) {
    Peeler peeler(fn, context.analyses);
    const Block header = trip ? done.back() : peeler.find(done, *size);
    if (!header) break;
    if (!trip) done.push_back(header);
    peeler.peel(header);
    context.count("peel.trips");
    changed = Changed::kControlFlow;
    context.analyses.control_flow_changed();
    if (++trip == std::min(*trips, kMostTrips)) trip = 0;
  }
  return changed;
}

}  // namespace epass
