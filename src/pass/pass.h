#pragma once
// What a pass is: a function that edits one function in SSA form, and a line in passes/passes.def.

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ir/function.h"

namespace epass {

// How much a pass changed, and so which cached analyses the manager must drop. Return the truth: debug builds check.
enum class Changed : uint8_t { kNothing, kInstructions, kControlFlow };

constexpr Changed operator|(Changed a, Changed b) { return a > b ? a : b; }
constexpr Changed& operator|=(Changed& a, Changed b) { return a = a | b; }

// What a pass may use besides the function.
struct PassContext {
  const Symbols& symbols;
  const std::map<std::string, std::string, std::less<>>& options;  // as written: `pass(name=value)`
  std::map<std::string, uint64_t>& counters;                       // for --stats: bump with ++counters["simplify.x + 0"]
};

using PassFunction = Result<Changed> (*)(Function&, PassContext&);

struct PassInfo {
  std::string_view name, summary;
  std::string_view options;  // "path=FILE (default -)", "" for none
  PassFunction run;
};

}  // namespace epass
