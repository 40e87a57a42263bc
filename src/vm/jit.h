#pragma once
// Compiled code of an executable, for x86-64. It does what the interpreter does: same results, same faults at
// the same instructions, same counts of the meter.
//
// Checked code keeps for every place that accesses memory the region that it met last; what lies outside of
// it is left to the interpreter, one instruction at a time. Unchecked code accesses the host's memory as the
// program says, for programs that a verifier accepted.

#include <memory>
#include <utility>
#include <vector>

#include "vm/machine.h"

namespace epass::vm {

struct JitData;

class Jit {
 public:
  // For the machine's world: context, checks and the addresses of maps and data are part of the code. It runs
  // in every machine of which that holds, one after the other: Machine::use. With a budget of UINT64_MAX the
  // code has no meter. Errors: `jit`, on other architectures and where no executable memory is to be had.
  static Result<std::unique_ptr<Jit>> compile(Machine& machine);
  ~Jit();
  Jit(const Jit&) = delete;
  Jit& operator=(const Jit&) = delete;

  size_t code_size() const { return code_size_; }
  std::span<const uint8_t> code() const;

 private:
  friend class Machine;
  friend struct JitCalls;
  friend class JitCompiler;
  Jit() = default;

  // Why it is not for this machine, "" if it is.
  std::string mismatch(Machine& machine) const;
  void attach(Machine& machine);
  bool enter(Machine& machine, uint32_t function);

  const Executable* executable_ = nullptr;
  bool checked_ = true, metered_ = true;
  Context context_ = Context::kRaw;
  JitData* data_ = nullptr;
  uint8_t* memory_ = nullptr;  // data, then code
  size_t memory_size_ = 0, data_size_ = 0, code_size_ = 0;
  std::vector<uint32_t> native_ = {};   // operation -> place in the code, 0 none
  std::vector<uint32_t> entries_ = {};  // function -> place in the code
  std::vector<uint32_t> rest_ = {};     // operations behind one that were charged with it
  std::vector<uint32_t> site_of_ = {};  // operation -> place that accesses memory, UINT32_MAX none
  std::vector<std::pair<uint32_t, uint64_t>> addresses_ = {};  // operation, what it loads
};

}  // namespace epass::vm
