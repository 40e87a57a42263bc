#pragma once
// Copies a block for one of the edges into it, up to the test at its end, of which the copy goes one way.

#include <vector>

#include "analysis/cfg.h"
#include "ir/function.h"

namespace epass {

struct EdgeCopy {
  Edge edge = {};
  uint32_t way = 0;                // edge of the test that is taken
  Block block = {};                // where the copy stands
  size_t moves = 0;                // copies at its start, one for each parameter
  std::vector<Value> values = {};  // what it has for the original's values, in the order of values_of()
};

// Parameters of `b` and results of its instructions.
std::vector<Value> values_of(const Function& fn, Block b);

// Makes the copy of `b` and leads `copy.edge` to it. `from` is where the edge comes from.
void make_edge_copy(Function& fn, Block from, Block b, EdgeCopy& copy);

// Takes out what makes copies easy to mend, and the block if nothing else is in it.
void finish_edge_copy(Function& fn, const EdgeCopy& copy);

}  // namespace epass
