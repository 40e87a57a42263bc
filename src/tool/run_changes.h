#pragma once
// What a run changed, for the last line of `epass run`.

#include <string>
#include <utility>
#include <vector>

#include "world/world.h"

namespace epass::tool {

// What maps and data sections hold: `counts[1]` and its bytes.
using Contents = std::vector<std::pair<std::string, std::vector<uint8_t>>>;
Contents contents_of(world::World& world, const world::Setup& setup);

// "; changed: counts[1], .data, packet bytes 0 to 11", or nothing.
std::string changes_text(const Contents& before, const Contents& after,
                         const std::vector<uint8_t>& packet_before, const std::vector<uint8_t>& packet,
                         bool is_packet);

}  // namespace epass::tool
