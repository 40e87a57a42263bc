#pragma once
// Random programs that always end: the whole instruction set, loops, calls, callbacks, maps, packets, copies
// of the frame pointer, many live values. Same seed and judge, same program.

#include <cstdint>
#include <vector>

#include "bpf/insn.h"

namespace epass {

// The virtual machine also runs what the kernel's verifier refuses: unreachable code, unaligned stack
// accesses.
enum class Judge : uint8_t { kVirtualMachine, kKernel };

// The maps that programs refer to, by the number in place of a file descriptor.
constexpr int32_t kArrayMap = 1;  // array of kArrayEntries
constexpr int32_t kHashMap = 2;   // hash, keys of 8 bytes
constexpr int32_t kDataMap = 3;   // array of one entry, reached by its address (global data)
constexpr uint32_t kValueSize = 16, kArrayEntries = 4, kHashEntries = 8, kDataSize = 64;

struct RandomProgram {
  std::vector<bpf::Insn> insns = {};
  bool xdp = false;       // else sched_cls
  bool callback = false;  // takes the address of a function: the kernel wants BTF
  // The virtual machine returns what the kernel returns: no helper whose result it invents.
  bool exact = true;
};

RandomProgram random_program(uint64_t seed, Judge judge);

}  // namespace epass
