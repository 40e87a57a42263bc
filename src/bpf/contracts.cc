#include "bpf/contracts.h"

#include <algorithm>
#include <iterator>

namespace epass::bpf {

static constexpr HelperContract kHelpers[] = {
#define HELPER(id, name, args, returns_void, in_place) {id, name, args, returns_void, in_place},
#include "bpf/helpers.def"
};

const HelperContract* helper(int32_t id) {
  auto it = std::ranges::lower_bound(kHelpers, id, {}, &HelperContract::id);
  return it != std::end(kHelpers) && it->id == id ? it : nullptr;
}

const HelperContract* helper_by_name(std::string_view name) {
  auto it = std::ranges::find(kHelpers, name, &HelperContract::name);
  return it != std::end(kHelpers) ? it : nullptr;
}

}  // namespace epass::bpf
