#pragma once
// A pipeline: its text, what it means, and running it over one function.

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "pass/pass.h"

namespace epass {

// One element: a pass with its options, or a group that runs until nothing changes.
struct Stage {
  const PassInfo* pass = nullptr;
  PassOptions options = {};
  std::vector<Stage> group = {};  // of `fixpoint(...)`
};

// Where pass names and level words are looked up.
struct PassCatalog {
  std::span<const PassInfo> passes;
  const char* (*level)(std::string_view word) = nullptr;
};

// `a,b(x=1),fixpoint(c,d)`; a level word stands for its pipeline. Errors `unknown-pass`, `pass-option`,
// `pipeline`, with the column in the text.
Result<std::vector<Stage>> parse_pipeline(std::string_view text, const PassCatalog& catalog);

// What is to happen around each pass. All members may be empty.
struct PassHooks {
  // Before and after a pass; `changed` is what it said.
  std::function<void(const PassInfo&, const Function&)> before = {};
  std::function<void(const PassInfo&, const Function&, Changed changed)> after = {};
  // Whether the next pass may run at all.
  std::function<bool(const PassInfo&)> may_run = {};
  bool verify_each = false;
  IrFiles files = {};  // empty: passes that need files fail
  // Told what a pass said, after it ran; empty: passes are not asked.
  std::function<void(const PassInfo&, std::vector<PassRemark>&&)> remarks = {};
};

// Runs the stages in order; passes that see all functions are left out, and so is a pass without options that
// found nothing since the function was last changed: hooks are not told of it. A pass that leaves an invalid
// function is an error `pass-broke-ir` that names it.
Result<void> run_pipeline(Function& fn, std::span<const Stage> stages, const Symbols& symbols, bpf::Isa isa,
                          Counters& counters, const PassHooks& hooks);

// Runs one stage with such a pass. `hooks` are called for each function that it may have changed.
Result<Changed> run_module_pass(Members& members, const Stage& stage, const Symbols& symbols, bpf::Isa isa,
                                Counters& counters, const PassHooks& hooks);
// Runs all stages over all functions, one after another.
Result<void> run_pipeline(Members& members, std::span<const Stage> stages, const Symbols& symbols,
                          bpf::Isa isa, Counters& counters, const PassHooks& hooks);

// The nearest of `words` to `word`, or "" if none is near.
std::string nearest_word(std::string_view word, std::span<const std::string_view> words);

}  // namespace epass
