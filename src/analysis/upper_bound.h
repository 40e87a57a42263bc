#pragma once
#include <optional>

#include "analysis/memory.h"

namespace epass {

// The most that `v` can be as an unsigned number, by what computes it; none if that is not known or `v` may
// be an address. Bounded work.
std::optional<uint64_t> upper_bound(const Function& fn, const Cfg& cfg, const MemoryModel& memory, Value v,
                                    int depth = 0);

}  // namespace epass
