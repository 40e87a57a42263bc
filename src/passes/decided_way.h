#pragma once
// Which way a test goes for who comes along a certain edge.

#include <optional>

#include "analysis/cfg.h"
#include "ir/function.h"

namespace epass {

// The edge (0 or 1) of the test at the end of the block that `e` leads to, if the constants that `e` carries
// or the test that it leaves decide it.
std::optional<uint32_t> decided_way(const Function& fn, const Cfg& cfg, Edge e);

}  // namespace epass
