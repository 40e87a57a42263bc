#pragma once
#include <string>

#include "driver/compile_file.h"

namespace epass::tool {

// The bytecode of each selected function on the left, its SSA form on the right, joined by origin.
std::string side_by_side(const driver::CompiledFile& file);

}  // namespace epass::tool
