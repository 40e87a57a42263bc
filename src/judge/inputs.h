#pragma once
// Inputs of programs: well-formed packets to begin with, and changes of an input.

#include <cstdint>
#include <string>
#include <vector>

#include "vm/vm.h"

namespace epass::judge {

// The same sequence everywhere.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 0x2545f4914f6cdd1d) {}
  uint64_t next() {
    state_ ^= state_ << 13, state_ ^= state_ >> 7, state_ ^= state_ << 17;
    return state_ * 0x2545f4914f6cdd1d;
  }
  uint64_t below(uint64_t n) { return n ? (next() >> 16) % n : 0; }

 private:
  uint64_t state_;
};

// What an earlier run of an input asked the seed for.
struct Asked {
  uint64_t answers = 0, lookups = 0;
};

// The n-th input to begin with: packets of many protocols and sizes, or memory that the seed fills.
vm::Input first_input(vm::Context context, uint64_t n, uint64_t seed);
constexpr uint64_t kSkeletons = 24;  // first inputs repeat their packets after so many

// A changed copy.
vm::Input mutated(const vm::Input& input, const Asked& asked, Dice& dice);

// As the options of `epass run` would have it, in words: what a person needs to see it again.
std::string describe(const vm::Input& input);

}  // namespace epass::judge
