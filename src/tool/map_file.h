#pragma once
// What `--map NAME=@FILE` puts into a map: docs/vm.md tells the formats.

#include "world/setup.h"

namespace epass::tool {

// `spec` tells the sizes of the map. Errors: map-file.
Result<std::vector<world::Entry>> read_map_file(const std::string& path, const maps::Spec& spec);

}  // namespace epass::tool
