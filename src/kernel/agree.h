#pragma once
// Do two versions of a program behave the same in this kernel? Both run by BPF_PROG_TEST_RUN on the same
// inputs, each loaded with maps of its own; the result, the packet, the context and the maps are compared.
// Nothing is attached, nothing stays.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kernel/verify.h"

namespace epass::kernel {

// The packet, or the bytes of the context of types that get no packet.
using RunInput = std::vector<uint8_t>;

struct Agreement {
  enum State : uint8_t {
    kSame,
    kDifferent,
    kLost,         // the second is not accepted
    kNotAccepted,  // the first is not accepted
    kNotRunnable,  // a type without test runs, or with effects on the machine
    kRefused,      // the kernel refuses every run
    kUnstable,     // the first differs between two runs of itself
  };
  std::string section = {}, program = {}, type = {};
  State state = kSame;
  uint64_t inputs = 0;              // that were compared
  std::string why = {};             // the difference, or why it was left out
  std::optional<uint64_t> at = {};  // the input that shows the difference
};

struct AgreeOptions {
  // Loads all programs of one side: verify_object or verify_flat.
  using Load = std::function<Result<std::vector<Verdict>>(const VerifyOptions&)>;
  Load first = {}, second = {};
  std::function<bool(const std::string&)> wanted = {};  // program names; empty: all
  bool harmless = true;  // not acts_on_the_machine (test_run.h): else nothing runs
  // From half of them on, arrays hold other values than the object gives them.
  std::function<std::vector<RunInput>(const Verdict&)> inputs = {};
};

// One for each program of the first, in order.
Result<std::vector<Agreement>> agree(const AgreeOptions& options);

}  // namespace epass::kernel
