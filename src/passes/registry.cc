#include "passes/registry.h"

#include <algorithm>

namespace epass {

#define PASS(function, ...) Result<Changed> function(Function&, PassContext&);
#include "passes/passes.def"

static constexpr PassInfo kPasses[] = {
#define PASS(function, name, summary, options, levels) {name, summary, options, levels, function},
#include "passes/passes.def"
};

std::span<const PassInfo> all_passes() { return kPasses; }

namespace {

// What later passes leave behind is tidied up by the same few.
#define TIDY "fixpoint(simplify-cfg,const-prop,simplify,immediates,simplify-params,dce),simplify-cfg"

constexpr const char* kO1 = "promote-slots," TIDY;
// Memory first, while constants still stand by themselves; then what that uncovers; blocks are shared last.
constexpr const char* kO2 =
    "promote-slots,fixpoint(simplify-cfg,const-prop,simplify,simplify-params,dce),"
    "fold-offsets,early-cse,combine-loads,merge-stores,dce,merge-stores,fold-params,dead-stores," TIDY
    ",fold-params,early-cse,fold-offsets," TIDY ",merge-tails," TIDY ",merge-tails," TIDY;

#undef TIDY

}  // namespace

const char* level_pipeline(std::string_view level) {
  if (level == "O0") return "";
  if (level == "O1") return kO1;
  // The higher ones differ only in what they will cost.
  if (level == "O2" || level == "O3" || level == "Os") return kO2;
  return nullptr;
}

}  // namespace epass
