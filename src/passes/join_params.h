#pragma once
#include "analysis/congruence.h"

namespace epass {

// Leaves one of parameters of a block that always get equal values; returns those that others gave way to.
std::vector<Value> join_params(Function& fn, const Cfg& cfg, const Congruence& same);

}  // namespace epass
