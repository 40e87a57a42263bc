#pragma once
// How long two programs run under the kernel's JIT, by test runs in turns.

#include <span>
#include <string>
#include <vector>

#include "bpf/program.h"
#include "kernel/fd.h"

namespace epass::kernel {

using Packet = std::vector<uint8_t>;

// A program of this type that only returns; none where the kernel takes none.
Fd load_empty(const std::string& type);

// The packet that takes the program longest; none if the kernel refuses all.
const Packet* slowest_packet(int program, std::span<const Packet> packets);

struct RunTime {
  double before = 0, after = 0;  // nanoseconds of one run
  double ratio = 1, noise = 0;   // of after to before, and how much of that means nothing
};

// As many copies of one as of the other, loaded in turns, so that where the kernel happens to put code harms
// both alike; how much copies of the same differ is noise. What the run itself takes is known from `empty`.
// Zeros if the kernel refuses a run.
RunTime run_time(std::span<const int> before, std::span<const int> after, int empty, const Packet& packet,
                 int rounds);

}  // namespace epass::kernel
