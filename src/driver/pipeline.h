#pragma once
// The passes of a run: which ones, and what to show of them.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "driver/remarks.h"
#include "ir/function.h"
#include "pass/pass.h"

namespace epass::driver {

struct PipelineOptions {
  std::string text = "O1";  // `a,b(x=1),fixpoint(c,d)`; a level is a word of it
  bool verify_each = false;
  std::vector<std::string> print_before = {}, print_after = {};
  bool print_after_all = false, print_changed = false;
  bool time_passes = false, stats = false, remarks = false;
  std::optional<uint64_t> bisect = {};  // run only the first N passes
  bool strict_alignment = false;        // passes with an option `unaligned` get `unaligned=no`
  std::vector<PassInfo> passes = {};    // besides those of passes/passes.def
  // Asked before each pass on each function, by several threads: may it run?
  std::function<bool(const Function&, const PassInfo&)> filter = {};
  // Told before all passes run anew on all functions: what was asked before does not count.
  std::function<void()> restart = {};

  // Whether functions must go through the passes one after another: what is shown or counted depends on the
  // order.
  bool in_sequence() const {
    return bisect || remarks || print_after_all || print_changed || !print_before.empty() ||
           !print_after.empty();
  }
};

// Error `unknown-pass`: no pass of `passes` is called `name`, which `option` was given.
Result<void> check_pass_name(std::span<const PassInfo> passes, const std::string& option,
                             const std::string& name);

// Whether a pass may make accesses that are not aligned, unless its option `unaligned` forbids it.
bool makes_unaligned(const PassInfo& pass);

struct PassTime {
  std::string name = {};
  uint64_t runs = 0, nanoseconds = 0;
};

// What the passes said, in the order of the functions.
struct PipelineReport {
  std::string printed = {};
  std::vector<PassTime> times = {};
  std::map<std::string, uint64_t> counters = {};
  std::vector<Remark> remarks = {};
};

class Pipeline {
 public:
  // Errors: `unknown-pass`, `pass-option`, `pipeline`, with the column in `options.text`; files of its
  // passes.
  static Result<Pipeline> parse(const PipelineOptions& options);
  // Runs all passes over one function. May be called by several threads, for different functions.
  Result<void> run(Function& fn, const Symbols& symbols, bpf::Isa isa);
  // How many of its passes see all functions of a program. They divide the others into parts.
  size_t module_passes() const;
  // The same in steps, over the functions of one program that stay where they are: after begin_module(), what
  // stands before module pass number `part` over each function, then that pass, and so on; at last what
  // stands behind the last one.
  void begin_module();
  Result<void> run_part(Function& fn, const Symbols& symbols, bpf::Isa isa, size_t part);
  Result<void> run_module_pass(Members& members, const Symbols& symbols, bpf::Isa isa, size_t pass);
  // Whether functions must come one after another.
  bool in_sequence() const;
  // Once all functions are done: writes what passes put into files. Errors: what is wrong with such files.
  Result<void> finish(const Symbols& symbols);
  PipelineReport report() const;

  Pipeline(Pipeline&&) noexcept;
  ~Pipeline();
  struct State;

 private:
  explicit Pipeline(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace epass::driver
