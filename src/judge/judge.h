#pragma once
// Do two programs behave the same? Both run in the virtual machine on inputs that are steered towards what
// the original has not run yet.

#include <optional>
#include <string>
#include <vector>

#include "bpf/program.h"
#include "vm/executable.h"
#include "vm/vm.h"

namespace epass::judge {

struct Subject {
  const vm::Executable& executable;
  bpf::FunctionId entry = {};
  const bpf::Program& program() const { return executable.program(); }
};

struct Settings {
  uint64_t inputs = 256, seed = 1;
  uint64_t budget = 1 << 16;  // instructions of one run
  vm::Context context = vm::Context::kRaw;
  vm::Options options = {};                      // maps and data: options_of
  vm::Engine engine = vm::Engine::kInterpreter;  // of the second program
  bool minimise = true;
};

struct Difference {
  std::string why = {};
  vm::Input input = {};  // minimised
  vm::Input first_found = {};
  uint32_t unknown_value_size = 0;  // as vm::Options has it, when it was found
};

struct Verdict {
  uint64_t inputs = 0;               // that ran
  uint64_t undecided = 0;            // of these: the original reads what is undefined, or does not end
  uint64_t faults = 0;               // of these: the original faults; what it did before was compared
  uint32_t blocks = 0, covered = 0;  // of the original, from its entry
  std::optional<Difference> difference = {};
};

// `second` must have its functions and symbols in the order of `first`: `aligned`.
Verdict compare(const Subject& first, const Subject& second, const Settings& settings);

// The inputs that `compare` takes when nothing differs, for judges that run the programs elsewhere.
std::vector<vm::Input> steered_inputs(const Subject& subject, const Settings& settings);

// Packets that steer a program deep: those that ran something new, and well-formed ones. Of a size that an
// Ethernet frame has.
std::vector<std::vector<uint8_t>> packets_for(const Subject& subject, const Settings& settings);

// Why the two differ on this input, "" if they do not.
std::string difference_on(const Subject& first, const Subject& second, const vm::Input& input,
                          const Settings& settings);

}  // namespace epass::judge
