#pragma once
// Small loops that have none in them, and copies of them.

#include <algorithm>
#include <vector>

#include "analysis/analyses.h"
#include "passes/block_copies.h"
#include "passes/edge_copy.h"
#include "passes/ssa_repair.h"

namespace epass {

class InnerLoops {
 public:
  InnerLoops(const Function& fn, Analyses& analyses)
      : fn_(fn), cfg_(analyses.cfg()), loops_(analyses.loops()), blocks_(loops_.all.size()) {
    for (Block b : cfg_.rpo)
      if (loops_.innermost(b) != Loops::kNone) blocks_[loops_.innermost(b)].push_back(b);
    for (const Loop& loop : loops_.all)
      if (loop.parent != Loops::kNone) blocks_[loop.parent].clear();
  }

  // The blocks of the loop with that header, if there is no loop in it; none if there is.
  std::vector<Block> of(Block header) const {
    const uint32_t l = loops_.innermost(header);
    return l != Loops::kNone && loops_.all[l].header == header ? blocks_[l] : std::vector<Block>();
  }

  bool contains(Block header, Block b) const { return loops_.contains(loops_.innermost(header), b); }

  // The edges by which the loop is entered.
  std::vector<Edge> entries(Block header) const {
    std::vector<Edge> found;
    for (Edge e : cfg_.incoming(header))
      if (!contains(header, cfg_.source(e))) found.push_back(e);
    return found;
  }

  // The first header, in layout order, of a loop that may be copied, has `most` instructions at most, is none
  // of `done`, and that `takes` says yes to.
  template <class Takes>
  Block find(const std::vector<Block>& done, uint64_t most, Takes takes) const {
    for (Block b : fn_.all_blocks())
      if (std::ranges::find(done, b) == done.end() && is_small(of(b), most) && takes(b)) return b;
    return {};
  }

 private:
  bool is_small(const std::vector<Block>& blocks, uint64_t most) const {
    uint64_t size = 0;
    for (Block b : blocks) {
      if (fn_.blocks[b].table_target != kNoOrigin) return false;
      for (Inst i : fn_.insts_of(b)) {
        const InstData& d = fn_.insts[i];
        if (++size > most || d.core != kNoCore || d.op == Opcode::GotoX || d.op == Opcode::MayGoto)
          return false;
      }
    }
    return !blocks.empty();
  }

  const Function& fn_;
  const Cfg& cfg_;
  const Loops& loops_;
  std::vector<std::vector<Block>> blocks_;  // of each loop that has no other in it
};

// A copy of some blocks in the same function, without edges.
class LoopCopy {
 public:
  LoopCopy(Function& fn, const std::vector<Block>& blocks, Block after) : copies(fn, fn), fn_(fn) {
    for (Block b : blocks) {
      after = copies.add(b, after);
      for (Value v : values_of(fn, b)) values_.push_back({v, b});
      const std::vector<Value> params(fn.params(b).begin(), fn.params(b).end());
      for (Value v : params) copies.add_param(b, v, fn.home(v));
    }
    for (Block b : blocks) copies.fill(b, [](InstData&, Home&) {});
  }

  // When the edges are as they are to be: what uses a value gets that of the loop or that of the copy.
  void mend() {
    SsaRepair repair(fn_);
    for (auto [v, b] : values_) {
      const Definition other[] = {{copies.block(b), copies.value(v)}};
      repair.mend(v, b, other);
    }
  }

  BlockCopies copies;

 private:
  Function& fn_;
  std::vector<std::pair<Value, Block>> values_;  // of the originals
};

}  // namespace epass
