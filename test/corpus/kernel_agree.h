#pragma once
// Real programs before and after compilation in this kernel, by BPF_PROG_TEST_RUN. Nothing is attached.

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace epass {

// Packets of all sizes; half of them begin like Ethernet with IPv4 or IPv6.
std::vector<uint8_t> packet_of(uint64_t seed);

struct KernelTotals {
  uint64_t programs = 0;  // compared
  uint64_t runs = 0;      // inputs compared
  uint64_t not_runnable =
      0;  // accepted, but of a type without test runs, or calling what acts on the machine
  uint64_t not_accepted = 0;  // as they were
  uint64_t unstable = 0;      // the original differs between two runs of itself
  uint64_t refused_runs = 0;  // the kernel refuses the test run of the original
  uint64_t lost = 0;          // the rewritten program is not accepted
  uint64_t different = 0;
};

// Both objects, program by program, each loaded with maps of its own: `inputs` inputs, half of them with maps
// as they are after loading, half with arrays filled by seed. Prints what differs.
void agree_in_kernel(Bytes before, Bytes after, const std::string& name, uint64_t inputs,
                     KernelTotals& totals);

}  // namespace epass
