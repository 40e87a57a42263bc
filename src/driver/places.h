#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "bpf/program.h"

namespace epass::driver {

// A record of a function of the input.
struct CodePlace {
  bpf::FunctionId function = {};
  uint32_t insn = 0;
};

// Where instruction `insn` of a loaded program stands in the input. Loaders append the subprograms behind
// their program, each when its first reference is met, before the references after it.
std::optional<CodePlace> place_of_loaded(const bpf::Program& program, bpf::FunctionId entry, uint32_t insn);

// The entry function of that name in that section.
std::optional<bpf::FunctionId> find_entry(const bpf::Program& program, std::string_view section,
                                          std::string_view name);

}  // namespace epass::driver
