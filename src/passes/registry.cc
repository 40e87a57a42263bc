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

const char* level_pipeline(std::string_view level) {
  if (level == "O0") return "";
  if (level == "O1")
    return "promote-slots,fixpoint(simplify-cfg,const-prop,simplify,immediates,simplify-params,dce),simplify-"
           "cfg";
  // The higher ones differ only in what they will cost.
  if (level == "O2" || level == "O3" || level == "Os")
    return "promote-slots,fixpoint(simplify-cfg,const-prop,simplify,simplify-params,dce),early-cse,combine-"
           "loads,"
           "merge-stores,dce,merge-stores,fold-params,dead-stores,"
           "fixpoint(simplify-cfg,const-prop,simplify,immediates,simplify-params,dce),simplify-cfg,fold-"
           "params,"
           "early-cse,fixpoint(simplify-cfg,const-prop,simplify,immediates,simplify-params,dce),simplify-cfg";
  return nullptr;
}

}  // namespace epass
