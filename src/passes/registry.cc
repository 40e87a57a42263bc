#include "passes/registry.h"

#include <algorithm>

namespace epass {

#define PASS(function, ...) Result<Changed> function(Function&, PassContext&);
#define MODULE_PASS(function, ...) Result<Changed> function(Members&, ModulePassContext&);
#include "passes/passes.def"

static constexpr PassInfo kPasses[] = {
#define PASS(function, name, summary, options, levels) {name, summary, options, levels, function, nullptr},
#define MODULE_PASS(function, name, summary, options, levels) \
  {name, summary, options, levels, nullptr, function},
#include "passes/passes.def"
};

std::span<const PassInfo> all_passes() { return kPasses; }

namespace {

// What later passes leave behind is tidied up by the same few.
#define TIDY "fixpoint(simplify-cfg,const-prop,simplify,immediates,simplify-params,dce),simplify-cfg"

constexpr const char* kO1 = "promote-slots," TIDY;
// Functions first, so that the other passes see what was copied. Memory then, while constants still stand by
// themselves; then what that uncovers; blocks are shared last.
#define O2(merge_stores, roll_loops)                                                                      \
  "inline,drop-unused,promote-slots,"                                                                     \
  "fixpoint(simplify-cfg,const-prop,simplify,test-signs,thread-jumps,simplify-params,dce),dead-args,dce," \
  "fold-offsets,early-cse,reuse-lookups,combine-loads,repeated-stores," merge_stores ",dce," merge_stores \
  ",fold-params,dead-stores," TIDY ",fold-params,early-cse,range-prop,fold-offsets," TIDY                 \
  ",merge-constants," TIDY "," roll_loops "," TIDY ",merge-tails," TIDY ",merge-tails," TIDY              \
  ",hoist-stores,dce"

constexpr const char* kO2 = O2("merge-stores", "roll-loops(trips=3)");
constexpr const char* kOs = O2("merge-stores(keys=yes)", "roll-loops") ",roll-stores," TIDY;

constexpr const char* kTidy = TIDY;

#undef O2
#undef TIDY

}  // namespace

const char* tidy_pipeline() { return kTidy; }

const char* level_pipeline(std::string_view level) {
  if (level == "O0") return "";
  if (level == "O1") return kO1;
  if (level == "O2" || level == "O3") return kO2;
  if (level == "Os") return kOs;
  return nullptr;
}

}  // namespace epass
