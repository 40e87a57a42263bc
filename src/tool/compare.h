#pragma once
// What the parts of `epass compare` share.

#include <string>

#include "driver/input.h"
#include "judge/judge.h"
#include "tool/command.h"

namespace epass::tool {

// As wide as that, with ".." where it was too long.
std::string cut(std::string text, size_t width);

// `--engine kernel`: both by BPF_PROG_TEST_RUN.
int compare_in_kernel(Job& job, const driver::CodeFile& a, const driver::CodeFile& b,
                      const judge::Settings& settings);

}  // namespace epass::tool
