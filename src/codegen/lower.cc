#include "codegen/lower.h"

#include <optional>

#include "codegen/legalize.h"
#include "codegen/machine.h"

namespace epass {

Result<bpf::NewCode> lower(const Function& fn, const LowerOptions& options) {
  CheckScope scope("code generation");
  std::optional<Function> legal;
  if (!is_legal(fn, options.isa)) {
    legal = fn;
    if (auto ok = legalize(*legal, options.isa); !ok) return fail(ok.error());
  }
  auto mf = select(legal ? *legal : fn, options);
  if (!mf) return fail(mf.error());
  legal.reset();
  compute_live_segments(*mf);
  if (auto ok = assign_locations(*mf, options); !ok) return fail(ok.error());
  return emit(*mf, options);
}

}  // namespace epass
