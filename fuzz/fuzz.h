#pragma once
// What every fuzz target shares: counts of executions and of valid inputs, printed at exit, and the end of a
// run that found something.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace epass::fuzz {

inline uint64_t executions = 0, valid = 0;

inline void count() {
  if (executions++ == 0)
    std::atexit([] {
      std::fprintf(stderr, "counts: executions %llu valid %llu\n",
                   static_cast<unsigned long long>(executions), static_cast<unsigned long long>(valid));
    });
}

[[noreturn]] inline void finding(const std::string& what) {
  std::fprintf(stderr, "finding: %s\n", what.c_str());
  std::abort();
}

}  // namespace epass::fuzz
