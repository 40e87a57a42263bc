#pragma once
// Compiles the functions of one program: lift, passes, lower, with a fallback per function. Same input and
// options, same result, for any number of threads.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "bpf/program.h"
#include "codegen/lower.h"
#include "driver/candidates.h"
#include "ir/function.h"
#include "lift/lift.h"
#include "pass/pass.h"

namespace epass::driver {

struct CompileOptions {
  std::vector<std::string> programs = {};  // patterns; empty: all. A program's own subprograms go with it
  std::optional<bpf::Isa> isa = {};        // none: v3, or v4 if the input uses it
  // A function whose new code has more records than its old, and what was copied into it, stays as it was.
  bool never_larger = true;
  bool tidy_code = false;  // LowerOptions::tidy
  Selection selection = {};
  bool keep_unused = false;  // leave out no functions
  unsigned threads = 1;
  bool want_code = true;  // off: stop after the passes
  bool want_ir = false;   // keep the functions in SSA form
  // Told the name of each function that is done, by several threads.
  std::function<void(const std::string& name, size_t total)> progress = {};
};

// Passes that see all functions of a program, with what is done to each function between them.
struct ModuleStages {
  size_t passes = 0;  // 0: there are none
  // All is done anew from here on: nothing that was counted before happened.
  std::function<void()> begin = {};
  // What stands before pass number `part`, or behind the last.
  std::function<Result<void>(Function&, const Symbols&, bpf::Isa, size_t part)> optimize = {};
  std::function<Result<void>(Members&, const Symbols&, bpf::Isa, size_t pass)> run = {};
};

// What is done to one function, so that tests can put something else in.
struct Stages {
  std::function<Result<Function>(const bpf::Program&, bpf::FunctionId, const CallFacts&)> lift = {};
  std::function<Result<void>(Function&, const Symbols&, bpf::Isa)> optimize = {};
  // The second is what the function was, with what was copied into it.
  std::function<Result<bpf::NewCode>(Function&&, CodeSize, const LowerOptions&)> lower = {};
  ModuleStages module = {};  // for programs whose functions call each other; else `optimize` does it
};

struct FunctionOutcome {
  bpf::FunctionId id = {};
  bool selected = true;                   // false: `programs` left it out
  uint32_t insns_in = 0, insns_out = 0;   // 8-byte records
  uint32_t x86_in = 0, x86_out = 0;       // bytes of machine code as bpf/x86_size.h estimates them
  uint64_t work_in = 0, work_out = 0;     // what the verifier walks, as bpf/verifier_work.h estimates it
  std::optional<bpf::NewCode> code = {};  // none: the input's code
  std::optional<Error> kept = {};  // why it stayed as it was; code `larger` if only the size spoke against it
  std::optional<Function> ir = {};           // with want_ir
  bool dropped = false;                      // nothing leads to it any more: it is not written
  std::set<bpf::FunctionId> relies_on = {};  // if one of these is kept, so must this one
};

struct CompiledProgram {
  std::vector<FunctionOutcome> functions = {};  // one per function, in the program's order
  bpf::Isa isa = bpf::Isa::kV3;
  bool drops_unused = false;
};

// The function stays as it was, for that reason.
void keep_old(const bpf::Program& program, FunctionOutcome& out, Error why);

// Keeps those functions that may not have their new code because others were kept, and finds anew which are
// dropped.
void settle(const bpf::Program& program, CompiledProgram& compiled);

// Error: `unknown-program`.
Result<CompiledProgram> compile_program(const bpf::Program& program, const CompileOptions& options,
                                        const Stages& stages);

// By function: whether one of the patterns names it, or a function that they name calls it or takes its
// address. No patterns: all. Error `unknown-program`: a pattern that names nothing.
Result<std::vector<bool>> select_functions(const bpf::Program& program,
                                           const std::vector<std::string>& patterns,
                                           bool with_callees = true);

// The level that `auto` means for this program.
bpf::Isa automatic_isa(const bpf::Program& program);

}  // namespace epass::driver
