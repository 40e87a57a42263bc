#pragma once
// Disassembly for people: source lines, block labels, names of symbols, CO-RE records.

#include <string>

#include "driver/input.h"

namespace epass::driver {

struct ListingOptions {
  bool raw = false;  // the bytes of each record, too
  bool source = true;
};

// One function with its heading line.
std::string listing(const CodeFile& file, bpf::FunctionId id, const ListingOptions& options = {});
// All functions, a blank line between two.
std::string listing(const CodeFile& file, const ListingOptions& options = {});
// One instruction of a function, as the listing shows it, but with jumps to instruction numbers.
std::string insn_text(const CodeFile& file, bpf::FunctionId id, uint32_t insn);

}  // namespace epass::driver
