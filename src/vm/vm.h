#pragma once
// A plain interpreter of bytecode in user space: runs a program on an input and reports all that it did. It
// shares no arithmetic with the compiler, so that it can judge it. Two runs with the same input and seed see
// the same world: what helpers return, what foreign memory holds and what time it is comes from the seed.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "bpf/program.h"

namespace epass::vm {

// What r1 points to.
enum class Context : uint8_t { kXdp, kSkb, kRaw };

struct Input {
  Context context = Context::kRaw;
  std::vector<uint8_t> packet = {};  // of xdp and skb; raw: the memory that r1 points to, r2 its length
  uint64_t seed = 1;
  uint64_t budget = 1 << 18;  // instructions
};

// One thing that a program did to the world: a helper or kfunc with its arguments and what it read.
struct Event {
  std::string what = {};
  std::vector<uint64_t> values = {};
  friend bool operator==(const Event&, const Event&) = default;
};

struct Outcome {
  uint64_t r0 = 0;
  // "" if the program ended by itself; else why not, with instruction and address.
  std::string error = {};
  uint32_t error_insn = 0;
  // It read a register that nothing was written to: what follows is not defined, so nothing can be compared.
  bool read_undefined = false;
  uint64_t executed = 0;
  std::vector<Event> events = {};
  std::vector<uint8_t> packet = {};
  std::map<std::string, uint64_t> memory = {};  // map or section -> hash of what it holds at the end
  std::vector<uint32_t> visited = {};           // with Options::trace: records, in order

  bool finished() const { return error.empty() && !read_undefined; }
};

// A map as the program's object defines it; unknown sizes are 0.
struct MapInfo {
  uint32_t type = 0, key_size = 0, value_size = 0, max_entries = 0;
  // What it holds at first is known: `entries`, and zeros in the rest of an array. Otherwise the seed says
  // what is there.
  bool known = false;
  std::map<std::vector<uint8_t>, std::vector<uint8_t>> entries = {};
};

struct Options {
  bool trace = false;
  uint32_t may_goto_rounds = 32;  // each so many rounds, may_goto leaves its loop; 0: never
  std::map<std::string, MapInfo> maps = {};
  std::map<std::string, std::vector<uint8_t>> sections =
      {};  // contents of data sections, by symbol or section name
};

// Runs function `entry` of the program. Symbols are told apart by name, so two versions of a program meet the
// same maps.
Outcome run(const bpf::Program& program, bpf::FunctionId entry, const Input& input,
            const Options& options = {});

// Why outcome `b` of a rewritten program is not outcome `a` of the original on the same input, "" if it is.
// Undefined reads and used-up budgets decide nothing; where the original faults, only what it did before
// counts.
std::string difference(const Outcome& a, const Outcome& b);

// The program with new code in place of some functions.
bpf::Program with_code(const bpf::Program& program, const std::map<bpf::FunctionId, bpf::NewCode>& changed);

}  // namespace epass::vm
