// The chain of dependent arithmetic that bench/vm runs on every engine, as the C++ compiler sees it with -O2.

#include <cstdint>

namespace epass::bench {

uint64_t chain(uint64_t rounds) {
  uint64_t value = 1;
  do {
    value += rounds;
    value ^= 0x5bd1e995;
    value += 77;
  } while (--rounds);
  return value;
}

}  // namespace epass::bench
