#pragma once
// The files of the public conformance cases: a program, the memory it gets, and what it must return.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bpf/insn.h"

namespace epass::bpf {

struct ConformanceCase {
  std::string assembly = {};  // "" if the file gives the records only
  int64_t assembly_line = 0;  // line of the file before its first
  std::vector<Insn> raw = {};
  std::vector<uint8_t> memory = {};
  std::optional<uint64_t> result = {};
  bool expects_error = false;
};

// Errors, code `case-file`: sections that do not exist, a file without a program or without an expectation.
Result<ConformanceCase> read_conformance_case(std::string_view text);

// The program: the assembled text, or the records. Where a file has both, they must be equal.
Result<std::vector<Insn>> program_of(const ConformanceCase& test);

}  // namespace epass::bpf
