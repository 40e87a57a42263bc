#pragma once
// Finds what makes new code worse than the old, for somebody who can tell that it is (a kernel's verifier),
// and leaves out no more than that: one pass on one function, at worst all new code of a function.

#include <functional>
#include <string>
#include <vector>

#include "driver/compile_file.h"

namespace epass::driver {

// Why the new code of a program is worse, "" if it is not.
using Judge = std::function<Result<std::string>(const CompiledFile& file, bpf::FunctionId entry)>;

struct LeftOut {
  bpf::FunctionId function = {};
  std::string pass = {};  // "": the function has its old code
  std::string reason = {};
};

// Compiles `input` again without what makes the programs `bad` worse, puts the result into `file`, and tells
// what was left out. With everything left out the programs are as they were, and must be good.
Result<std::vector<LeftOut>> back_off(CompiledFile& file, const Input& input, const FileOptions& options,
                                      const std::vector<bpf::FunctionId>& bad, const Judge& judge);

}  // namespace epass::driver
