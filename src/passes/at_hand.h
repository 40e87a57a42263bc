#pragma once
// What gvn knows at one place.

#include <unordered_map>
#include <vector>

#include "analysis/congruence.h"
#include "passes/known_values.h"

namespace epass {

struct AtHand {
  std::unordered_map<uint32_t, Value> values = {};  // by the number of Congruence
  KnownMemory memory = {};
};

// What is known to be at a place, as a load of that size gives it; only if it is `wanted`, if there is one.
Value find(const Function& fn, const AtHand& in, const Location& at, MemSize size, Value wanted = {});

// What is at the end of the block that `e` comes from and is what `i` makes in the block that it leads to.
Value find_over_edge(const Function& fn, const MemoryModel& memory, const Congruence& same, const AtHand& in,
                     Inst i, Edge e);

// Whether a way back leads to `b`, so that it comes before some block that leads to it.
bool is_entered_again(const Cfg& cfg, Block b);

// What is at hand at the begin of `b`: what is at the end of all blocks that lead to it, by their number in
// the order of `cfg`. Nothing where that is not known of all of them.
AtHand meet(const Function& fn, const Cfg& cfg, const std::vector<AtHand>& at_end, Block b);

}  // namespace epass
