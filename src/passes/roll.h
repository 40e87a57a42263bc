#pragma once
// Makes a loop of the copies that find_unrolled found.

#include "analysis/cfg.h"
#include "analysis/unrolled.h"

namespace epass {

// The first copy becomes the body; a new block behind it counts the trips. Constants that grow become the
// counter or a distance from it, so all must grow by the same step.
void roll(Function& fn, const Cfg& cfg, const Unrolled& loop);

}  // namespace epass
