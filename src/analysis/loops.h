#pragma once
// Natural loops, and how often blocks run as far as the shape of a function tells. Plain data, made when
// asked for, in near-linear time whatever the nesting.

#include <vector>

#include "analysis/cfg.h"
#include "ir/dominators.h"

namespace epass {

// The blocks from which an edge leads back to a block that dominates it, and that block, the header. Loops
// with one header are one loop. Cycles with several ways in are not seen.
struct Loop {
  Block header = {};
  uint32_t parent = UINT32_MAX;  // the loop around it
  uint32_t depth = 1;            // loops around the header, this one included
  bool has_calls = false;        // then only r6 to r9 keep a value for its whole run
};

class Loops {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  Loops(const Function& fn, const Cfg& cfg, const Dominators& dominators);

  std::vector<Loop> all;  // a loop comes after those around it
  // The innermost loop around the block: an index into `all`, or kNone.
  uint32_t innermost(Block b) const { return innermost_[b]; }
  uint32_t depth(Block b) const { return innermost(b) == kNone ? 0 : all[innermost(b)].depth; }
  // In constant time.
  bool contains(uint32_t loop, Block b) const {
    const uint32_t inner = innermost(b);
    return inner != kNone && place_[inner] >= place_[loop] && place_[inner] - place_[loop] < size_[loop];
  }

 private:
  void find_blocks(const Cfg& cfg, const Dominators& dominators);
  void number_tree();

  SideTable<Block, uint32_t> innermost_ = SideTable<Block, uint32_t>(kNone);
  std::vector<uint32_t> place_, size_;  // of loops: intervals of their tree
};

// How often blocks run when the function runs once: a guess. Loops go round eight times, returning at once is
// rarer than going on, helpers succeed, and what ends in `unreachable` does not happen.
class Frequencies {
 public:
  static constexpr double kRounds = 8;

  Frequencies(const Function& fn, const Cfg& cfg, const Loops& loops);

  double of(Block b) const { return of_[b]; }
  // How often edge `n` of the block's terminator is taken, of all times that the block runs.
  double probability(Block b, uint32_t n) const;

 private:
  double guess(Block b) const;  // for edge 0 of two
  bool ends_soon(Block b) const;

  const Function& fn_;
  const Loops& loops_;
  SideTable<Block, double> of_ = SideTable<Block, double>(0), first_ = SideTable<Block, double>(0.5);
};

}  // namespace epass
