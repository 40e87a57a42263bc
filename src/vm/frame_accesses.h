#pragma once
// Which accesses of a function lie in its frame whatever it is given, so that nothing need be checked.

#include <cstdint>
#include <vector>

#include "vm/executable.h"

namespace epass::vm {

// By operation from the first of the function; empty if none is known.
std::vector<uint8_t> accesses_in_frame(const Executable& executable, uint32_t function);

}  // namespace epass::vm
