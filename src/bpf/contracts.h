#pragma once
// What the kernel's helpers take and give.

#include <cstdint>
#include <string_view>

namespace epass::bpf {

// Helpers that mean more than their contracts say.
constexpr int32_t kMapLookupElem = 1, kTailCall = 12;

struct HelperContract {
  int32_t id = 0;
  std::string_view name = {};
  std::string_view args = {};  // a letter for each of r1..: see helpers.def
  bool returns_void = false;
  bool variadic_in_place = false;  // reads the rest of r1-r5 as they are, each perhaps undefined

  constexpr int arg_count() const { return int(args.size()); }
};

// The helper with that number or name; null if this table does not know it.
const HelperContract* helper(int32_t id);
const HelperContract* helper_by_name(std::string_view name);

}  // namespace epass::bpf
