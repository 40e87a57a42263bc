#pragma once
#include <span>

#include "pass/pass.h"

namespace epass {

// Every pass of passes.def, sorted by name.
std::span<const PassInfo> all_passes();

// The pipeline that a level word stands for: "O0" to "O3", "Os"; null for other words.
const char* level_pipeline(std::string_view level);

// What every level runs after passes that leave something behind.
const char* tidy_pipeline();

}  // namespace epass
