#include "pass/pass.h"

#include <charconv>

#include "base/format.h"
#include "ir/edit.h"
#include "ir/text.h"

namespace epass {

void PassContext::remark(PassRemark::Kind kind, const Function& fn, Inst i, std::string_view reason) const {
  const InstData& data = fn.insts[i];
  if (data.origin != kNoOrigin)
    remarks->push_back({kind, data.origin, operation_name(data), std::string(reason)});
}

Result<uint64_t> number_option(const ModulePassContext& context, std::string_view pass, std::string_view name,
                               uint64_t fallback, uint64_t least) {
  if (!context.options.contains(name)) return fallback;
  const std::string text = context.option(name);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number >= least) return number;
  return fail("pass-option", format("`{}` of {} is a number from {} on, not `{}`", name, pass, least, text));
}

Changed drop_unreachable(Function& fn, PassContext& context) {
  size_t placed = 0;
  for ([[maybe_unused]] Block b : fn.all_blocks()) ++placed;
  if (context.analyses.cfg().rpo.size() == placed) return Changed::kNothing;
  remove_unreachable_blocks(fn);
  context.analyses.control_flow_changed();
  return Changed::kControlFlow;
}

}  // namespace epass
