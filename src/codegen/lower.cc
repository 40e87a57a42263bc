#include "codegen/lower.h"

#include "codegen/machine.h"

namespace epass {

Result<bpf::NewCode> lower(const Function& fn, const LowerOptions& options) {
  CheckScope scope("code generation");
  auto mf = select(fn, options);
  if (!mf) return fail(mf.error());
  compute_live_segments(*mf);
  if (auto ok = assign_locations(*mf, options); !ok) return fail(ok.error());
  return emit(*mf, options);
}

}  // namespace epass
