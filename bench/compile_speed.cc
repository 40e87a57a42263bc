// How long compiling takes within a process: bench/compile_cost.
//
// usage: compile_speed PASSES ROUNDS FILE...
// One line a file: nanoseconds (the best of ROUNDS, from the bytes of the input to the bytes of the output),
// records in and out, name.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "base/format.h"
#include "driver/compile_file.h"

int main(int argc, char** argv) {
  using namespace epass;
  if (argc < 4) return std::puts("usage: compile_speed PASSES ROUNDS FILE..."), 2;
  driver::FileOptions options;
  options.pipeline.text = argv[1];
  const int rounds = std::max(1, std::atoi(argv[2]));
  for (int n = 3; n < argc; ++n) {
    auto input = driver::read_input(argv[n]);
    if (!input) continue;
    double best = 1e18;
    uint64_t in = 0, out = 0;
    for (int round = 0; round < rounds; ++round) {
      driver::Input copy = *input;
      const auto begin = std::chrono::steady_clock::now();
      auto file = driver::compile_file(std::move(copy), options);
      const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
      if (!file) break;
      best = std::min(best, took.count());
      in = out = 0;
      for (const driver::FunctionOutcome& f : file->compiled.functions) in += f.insns_in, out += f.insns_out;
    }
    if (in) std::fputs(format("{:.0f} {} {} {}\n", best, in, out, argv[n]).c_str(), stdout);
  }
  return 0;
}
