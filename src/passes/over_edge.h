#pragma once
// An instruction as it would be at the far end of an edge into its block: with what the edge carries instead
// of the block's parameters.

#include "analysis/congruence.h"
#include "analysis/memory.h"

namespace epass {

// What `v`, as the target of `e` knows it, is before the edge.
Value over_edge(const Function& fn, Value v, Edge e);
// The number of what `i` would make there; Congruence::kNone if nothing makes it.
uint32_t number_over_edge(const Function& fn, const Congruence& same, Inst i, Edge e);
// The place that the load `i` would read there.
Location location_over_edge(const Function& fn, const MemoryModel& memory, Inst i, Edge e);
// Whether the block of a load leaves what it reads alone until then.
bool is_as_at_begin(const Function& fn, const MemoryModel& memory, Inst load);
// Whether all that `i` needs is there, or a constant that can be made again.
bool is_movable(const Function& fn, Inst i);
// Makes it there, in front of `end`.
Value make_over_edge(Function& fn, Inst i, Edge e, Inst end, Home home);

}  // namespace epass
