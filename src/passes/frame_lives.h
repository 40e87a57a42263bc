#pragma once
// When words of the frame are needed.

#include <array>

#include "passes/frame_uses.h"

namespace epass {

// Words that are read before all ways there have written them.
Words find_unwritten(const Function& fn, const Cfg& cfg, const FrameUses& uses);

// For each word those that are needed while it is. A word is needed from the first use to the last, on every
// way.
std::array<Words, 64> find_conflicts(const Function& fn, const Cfg& cfg, const FrameUses& uses);

}  // namespace epass
