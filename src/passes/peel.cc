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
#include "passes/inner_loops.h"

namespace epass {
namespace {

void peel_trip(Function& fn, const Cfg& cfg, const InnerLoops& loops, Block header) {
  const std::vector<Block> blocks = loops.of(header);
  const std::vector<Edge> entries = loops.entries(header);
  LoopCopy copy(fn, blocks, cfg.source(entries[0]));
  // The copy's edges stay in the copy, but for those that begin the next trip: that is the loop's.
  copy.copies.connect(
      [&](Block to) { return to != header && copy.copies.block(to) ? copy.copies.block(to) : to; });
  for (Edge e : entries) fn.edges[e].to = copy.copies.block(header);
  copy.mend();
}

}  // namespace

Result<Changed> peel(Function& fn, PassContext& context) {
  constexpr uint64_t kMostLoops = 16, kMostTrips = 16;
  const auto size = number_option(context, "peel", "size", 24);
  const auto trips = number_option(context, "peel", "trips", 1);
  if (!size || !trips) return fail(size ? trips.error() : size.error());
  Changed changed = drop_unreachable(fn, context);
  std::vector<Block> done;
  for (uint64_t trip = 0; trip || done.size() < kMostLoops;) {
    const InnerLoops loops(fn, context.analyses);
    const Block header = trip ? done.back() : loops.find(done, *size, [](Block) { return true; });
    if (!header) break;
    if (!trip) done.push_back(header);
    peel_trip(fn, context.analyses.cfg(), loops, header);
    context.count("peel.trips");
    changed = Changed::kControlFlow;
    context.analyses.control_flow_changed();
    if (++trip == std::min(*trips, kMostTrips)) trip = 0;
  }
  return changed;
}

}  // namespace epass
