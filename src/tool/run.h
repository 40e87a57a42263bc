#pragma once
// What the parts of `epass run` share.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "driver/input.h"
#include "world/setup.h"

namespace epass::tool {

enum class RunEngine : uint8_t { kInterpreter, kJit, kKernel };

struct RunOptions {
  std::optional<vm::Context> context = {};
  std::optional<std::vector<uint8_t>> packet = {}, memory = {};
  std::vector<std::pair<std::string, std::string>> maps = {};  // name, file
  RunEngine engine = RunEngine::kInterpreter;
  uint64_t seed = 1, budget = 0, repeat = 1;
  bool timed = false, trace = false, profile = false;
};

struct RunAnswer {
  uint64_t r0 = 0;
  std::optional<int64_t> executed = {};  // instructions of the last run; the kernel does not count them
  uint64_t runs = 0;
  std::optional<double> ns_per_run = {};
  std::string error = {};  // "" it ended well
  uint32_t fault_function = 0, fault_insn = 0;
  bool undefined = false;
  std::string report = {}, changes = {};
};

vm::Context context_for(const bpf::Function& fn, const RunOptions& options);
std::unexpected<Error> unknown_map(const driver::CodeFile& file, const std::string& name);
// BPF_PROG_TEST_RUN of the program in this kernel, with its maps.
Result<RunAnswer> run_in_kernel(const driver::CodeFile& file, bpf::FunctionId id, const RunOptions& options);

}  // namespace epass::tool
