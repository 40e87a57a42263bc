#pragma once
// Runs a program on an input in user space and reports all that it did. It shares no arithmetic with the
// compiler, so that it can judge it. Two runs with the same input and seed see
// the same world: what helpers return, what foreign memory holds and what time it is comes from the seed.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "bpf/program.h"
#include "vm/jit.h"
#include "vm/machine.h"

namespace epass::vm {

struct Input {
  Context context = Context::kRaw;
  std::vector<uint8_t> packet = {};  // of xdp and skb; raw: the memory that r1 points to, r2 its length
  uint64_t seed = 1;
  uint64_t budget = 1 << 18;  // instructions
  // What memory holds at first at these addresses, and what the n-th call that the seed answers returns,
  // instead of what the seed says.
  std::map<uint64_t, uint8_t> bytes = {};
  std::map<uint64_t, uint64_t> answers = {};
  // Decides what no program may depend on: where frames lie and what fresh stack holds. 0 and 1 have no bit
  // of fresh stack in common; with 2 and 3 it holds only zeros and only ones.
  uint64_t indeterminate = 0;
};

// One thing that a program did to the world: a helper or kfunc with its arguments and what it read.
struct Event {
  std::string what = {};
  std::vector<uint64_t> values = {};
  std::vector<uint8_t> bytes = {};  // of the buffers that it read, one after the other
  friend bool operator==(const Event&, const Event&) = default;
};

struct Outcome {
  uint64_t r0 = 0;
  // "" if the program ended by itself; else why not, with instruction and address.
  std::string error = {};
  uint32_t error_insn = 0;
  // It read a register that nothing was written to: what follows is not defined, so nothing can be compared.
  bool read_undefined = false;
  std::string note = {};  // why it was not run as it should have been
  uint64_t executed = 0;
  std::vector<Event> events = {};
  std::vector<uint8_t> packet = {};
  std::map<std::string, uint64_t> memory = {};  // map or section -> hash of what it holds at the end
  std::vector<uint32_t> visited = {};           // with Options::trace: records, in order
  // With Options::keep_contents: what `memory` has the hashes of. Of maps: keys and values, in order of keys.
  std::map<std::string, std::vector<uint8_t>> contents = {};

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

// Told what happens in a run, as it happens.
class Observer {
 public:
  virtual ~Observer() = default;
  // Before each instruction; r10 tells frames apart.
  virtual void at(bpf::FunctionId function, uint32_t insn, const uint64_t* registers) = 0;
  // The seed gave this answer, or Input::answers did. Lookups in maps of unknown contents count from
  // kLookups on: 0 not found.
  virtual void answered(uint64_t call, uint64_t value) = 0;
  // A helper wrote to memory. In Input::bytes, its bytes have addresses from `from` on.
  virtual void filled(uint64_t to, uint64_t from, uint32_t size) = 0;

  static constexpr uint64_t kLookups = uint64_t{1} << 40;
};

struct Options {
  // Compiled code does not notice reads of registers that nothing was written to, keeps no trace and is not
  // observed. Where it cannot be had, the interpreter runs the program, and Outcome::note says why.
  Engine engine = Engine::kInterpreter;
  Outside outside = Outside::kForeign;  // what lies in no region
  bool checked = true;  // else memory is the host's, and nothing is checked: for programs that were verified
  bool trace = false;   // interpreter only
  bool keep_contents = false;
  Observer* observer = nullptr;
  uint32_t may_goto_rounds = 32;  // each so many rounds, may_goto leaves its loop; 0: never
  std::map<std::string, MapInfo> maps = {};
  uint32_t unknown_value_size = 4096;  // of maps that `maps` says nothing about
  std::map<std::string, std::vector<uint8_t>> sections =
      {};  // contents of data sections, by symbol or section name
};

// Runs function `entry` of the program. Symbols are told apart by name, so two versions of a program meet the
// same maps.
Outcome run(const bpf::Program& program, bpf::FunctionId entry, const Input& input,
            const Options& options = {});
// The same of a program that was decoded once for many runs. `code` keeps what Engine::kJit compiled from one
// run to the next.
Outcome run(const Executable& executable, bpf::FunctionId entry, const Input& input,
            const Options& options = {}, std::unique_ptr<Jit>* code = nullptr);

// Why outcome `b` of a rewritten program is not outcome `a` of the original on the same input, "" if it is.
// Undefined reads and used-up budgets decide nothing; where the original faults, only what it did before
// counts.
std::string difference(const Outcome& a, const Outcome& b);

// The program with new code in place of some functions.
bpf::Program with_code(const bpf::Program& program, const std::map<bpf::FunctionId, bpf::NewCode>& changed);

}  // namespace epass::vm
