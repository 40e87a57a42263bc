#pragma once
// What the kernel's helpers take and give.

#include <cstdint>
#include <string_view>

namespace epass::bpf {

struct HelperContract {
  int32_t id = 0;
  std::string_view name = {};
  uint8_t arg_count = 0;  // registers r1.. that it reads
  bool returns_void = false;
  bool variadic_in_place = false;  // reads the rest of r1-r5 as they are, each perhaps undefined
};

// The helper with that number or name; null if this table does not know it.
const HelperContract* helper(int32_t id);
const HelperContract* helper_by_name(std::string_view name);

}  // namespace epass::bpf
