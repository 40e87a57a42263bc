#pragma once
// Runs a function in SSA form on made-up memory and calls, to judge a pass: what it does before and after
// must agree. Everything unknown (memory, results of calls, addresses of symbols, CO-RE constants) comes from
// a seed.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/function.h"

namespace epass {

struct InterpretOptions {
  uint64_t seed = 0;
  uint64_t steps = 100000;  // instructions until it gives up
  uint32_t may_goto_budget = 8;
  // Calls of these, by their number in the module, run their code; else they are calls of something unknown.
  // Frames then lie anywhere: where a pointer into one points to is not shown.
  std::span<const Function> functions = {};
  bool additions_are_stores = false;  // atomic_add is compared as a store: only other CPUs can tell
  // Told of each number that a value of the function gets; none: one that follows from an `undef`.
  std::function<void(Value, std::optional<uint64_t>)> watch = {};
};

struct Behaviour {
  enum class End : uint8_t {
    kReturned,
    kReturnedNothing,  // the register was never written
    kOutOfSteps,
    kUndefined,  // a branch or an address depends on `undef`, or an `unreachable` was reached
  };
  End end = End::kOutOfSteps;
  uint64_t result = 0;
  // What others can see, in order: calls with their arguments, atomics, and what the plain stores outside of
  // the frame between them left.
  std::vector<std::string> effects = {};
};

// Parameters of the entry without argument get seeded values.
Behaviour interpret(const Function& fn, const Symbols& symbols, std::span<const uint64_t> args,
                    InterpretOptions options = {});

// Whether `after` does what `before` does; "" or what differs first. What `before` leaves undefined may
// become anything.
std::string difference(const Behaviour& before, const Behaviour& after);

}  // namespace epass
