// How long compiling takes within a process: bench/compile_cost.
//
// usage: compile_speed LEVEL PASSES ROUNDS FILE...
// Everything as the level does it (O2, say), but with these passes; - for its own. One line a file:
// nanoseconds of processor time (the best of ROUNDS, from the bytes of the input to the bytes of the output),
// records in and out, name.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "base/format.h"
#include "base/memory.h"
#include "driver/compile_file.h"

// Nanoseconds of processor time: others on the machine do not count.
static double processor_time() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return double(now.tv_sec) * 1e9 + double(now.tv_nsec);
}

int main(int argc, char** argv) {
  using namespace epass;
  keep_freed_memory();
  if (argc < 5) return std::puts("usage: compile_speed LEVEL PASSES ROUNDS FILE..."), 2;
  driver::FileOptions options;
  driver::set_level(options, argv[1]);
  if (argv[2] != std::string_view("-")) options.pipeline.text = argv[2];
  const int rounds = std::max(1, std::atoi(argv[3]));
  for (int n = 4; n < argc; ++n) {
    auto input = driver::read_input(argv[n]);
    if (!input) continue;
    double best = 1e18;
    uint64_t in = 0, out = 0;
    for (int round = 0; round < rounds; ++round) {
      driver::Input copy = *input;
      const double begin = processor_time();
      auto file = driver::compile_file(std::move(copy), options);
      const double took = processor_time() - begin;
      if (!file) break;
      best = std::min(best, took);
      in = out = 0;
      for (const driver::FunctionOutcome& f : file->compiled.functions) in += f.insns_in, out += f.insns_out;
    }
    if (in) std::fputs(format("{:.0f} {} {} {}\n", best, in, out, argv[n]).c_str(), stdout);
  }
  return 0;
}
