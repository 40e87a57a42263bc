#pragma once
// BPF_PROG_TEST_RUN: a loaded program on one input, attached to nothing.

#include <string>
#include <vector>

#include "base/bytes.h"
#include "bpf/program.h"

namespace epass::kernel {

// What a type of programs takes as its input, if the kernel test-runs it.
enum class Takes : uint8_t { kNothing, kPacket, kBuffer, kFlow, kTracepoint, kSyscall };
Takes takes(const std::string& type);
// Whether programs of this type can be test-run with a packet, many times.
bool takes_packets(const std::string& type);
// Whether it calls helpers that reach beyond the run: signals, writes to other memory, packets sent.
bool acts_on_the_machine(const bpf::Program& program);

struct TestInput {
  Bytes packet = {};   // xdp and socket buffers
  Bytes context = {};  // of programs that get no packet
  uint32_t repeat = 1;
};

struct TestRun {
  int error = 0;  // errno; the rest is unknown then
  uint32_t result = 0;
  uint32_t ns_per_run = 0;
  std::vector<uint8_t> packet = {};
};

TestRun test_run(int program, const TestInput& input);
// What errno means here: "programs of type kprobe cannot be test-run".
std::string why_not(const TestRun& run, const std::string& type);

}  // namespace epass::kernel
