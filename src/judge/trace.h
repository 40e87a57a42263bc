#pragma once
// Two runs beside each other, around the place where they part.

#include <optional>
#include <string>
#include <vector>

#include "judge/judge.h"

namespace epass::judge {

struct Step {
  bpf::FunctionId function = {};
  uint32_t insn = 0;
  std::string effect = {};  // "r3 = 0x258", "taken", "u32 0x7 -> ctx+0"
};

struct Row {
  std::optional<Step> first = {}, second = {};  // none: the other program does something in between
  bool differs = false;
};

// The rows before and after the first steps that do not find a counterpart. At most `size`.
std::vector<Row> side_by_side(const Subject& first, const Subject& second, const vm::Input& input,
                              const vm::Options& options, size_t size);

}  // namespace epass::judge
