#pragma once
// A static check of programs without a kernel: what the kernel's verifier would refuse whatever the inputs
// are. It finds ill-formed instructions and control flow, registers that no path defines, constant accesses
// outside the stack and constant operands out of range. It proves nothing about memory safety: a program
// without faults may still be refused.

#include <string>
#include <string_view>
#include <vector>

#include "bpf/program.h"

namespace epass::bpf {

struct Fault {
  FunctionId function = {};
  uint32_t insn = 0;
  std::string code =
      {};  // check-field check-jump check-flow check-call check-register check-stack check-constant
  std::string message = {};  // one sentence, lower case, no full stop
  std::string help = {};
  // False if some path goes around the instruction: a kernel that can tell that the program never gets there
  // does not mind.
  bool certain = true;
};

// In order of functions and instructions. What flows through registers is looked at only where a function's
// structure has no fault.
std::vector<Fault> check(const Program& program);
std::vector<Fault> check_function(const Program& program, FunctionId id);

}  // namespace epass::bpf
