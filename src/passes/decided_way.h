#pragma once
// Which way a test goes for who comes along a certain edge.

#include <optional>
#include <span>

#include "analysis/cfg.h"
#include "ir/function.h"

namespace epass {

// The edge (0 or 1) of the test at the end of the block that the last of `path` leads to, if the constants
// that its edges carry or the test that the first of them leaves decide it. Each starts where the one before
// leads.
std::optional<uint32_t> decided_way(const Function& fn, const Cfg& cfg, std::span<const Edge> path);

}  // namespace epass
