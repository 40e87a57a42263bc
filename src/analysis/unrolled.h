#pragma once
// Loops that a compiler unrolled: copies of the same blocks, one behind the other.

#include <functional>
#include <optional>
#include <vector>

#include "analysis/analyses.h"
#include "ir/function.h"

namespace epass {

// Where an instruction uses a value: as operand `n`, or, if `edge` is set, as argument `n` of that edge.
struct UseSite {
  Inst inst = {};
  Edge edge = {};
  uint32_t n = 0;
  friend bool operator==(const UseSite&, const UseSite&) = default;
};

// At `site` the first copy uses `initial`, which is made before it. Every other copy uses there what the copy
// before it made in the place of `made`, a value of the first copy.
struct Carried {
  UseSite site = {};
  Value initial = {}, made = {};
};

// A constant that is greater by `step` in each copy than in the one before.
struct Progression {
  Inst inst = {};
  int64_t step = 0;
};

struct Unrolled {
  std::vector<Block> blocks = {};  // of all copies, in order
  size_t period = 0, copies = 0;   // blocks of one copy; the number of copies
  Block next = {};                 // where the last copy goes on
  bool has_joins = false;          // several ways lead through a copy
  std::vector<Carried> carried = {};
  std::vector<Progression> progressions = {};
  std::vector<std::pair<Value, Value>> last_to_first = {};  // values of the last copy and of the first
};

struct UnrolledSearch {
  // If several ways lead through a copy, copies are taken together until there are at most so many.
  size_t trips = SIZE_MAX;
  SideTable<Block, uint8_t> barred = SideTable<Block, uint8_t>(0);  // blocks to leave alone: not 0
  std::function<bool(const Unrolled&)> accept = {};
};

// The unrolled loop that takes the most instructions, of at least two copies.
std::optional<Unrolled> find_unrolled(const Function& fn, Analyses& analyses, const UnrolledSearch& search);

}  // namespace epass
