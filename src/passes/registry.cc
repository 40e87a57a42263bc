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
  // The higher levels have no passes of their own yet.
  constexpr std::string_view kLevels[] = {"O1", "O2", "O3", "Os"};
  if (std::ranges::find(kLevels, level) == std::end(kLevels)) return nullptr;
  return "promote-slots,fixpoint(simplify-cfg,const-prop,simplify,immediates,simplify-params,dce),simplify-"
         "cfg";
}

}  // namespace epass
