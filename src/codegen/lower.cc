#include "codegen/lower.h"

#include <optional>

#include "codegen/legalize.h"
#include "codegen/machine.h"

namespace epass {

static Result<bpf::NewCode> finish(Result<MFunction> mf, std::vector<bpf::Inlined> inlined,
                                   const LowerOptions& options) {
  if (!mf) return fail(mf.error());
  compute_live_segments(*mf);
  if (auto ok = assign_locations(*mf, options); !ok) return fail(ok.error());
  if (options.tidy) forget_idle_constants(*mf);
  auto code = emit(*mf, options);
  if (code) code->inlined = std::move(inlined);
  return code;
}

Result<bpf::NewCode> lower(Function&& fn, const LowerOptions& options) {
  CheckScope scope("code generation");
  Function mine = std::move(fn);
  if (!is_legal(mine, options.isa))
    if (auto ok = legalize(mine, options.isa); !ok) return fail(ok.error());
  auto mf = select(mine, options);
  auto inlined = std::move(mine.inlined);
  mine = Function{};
  return finish(std::move(mf), std::move(inlined), options);
}

Result<bpf::NewCode> lower(const Function& fn, const LowerOptions& options) {
  if (!is_legal(fn, options.isa)) return lower(Function(fn), options);
  CheckScope scope("code generation");
  return finish(select(fn, options), fn.inlined, options);
}

}  // namespace epass
