#pragma once
// What the kernel's helpers take and give.

#include <cstdint>
#include <string_view>

namespace epass::bpf {

// Helpers that mean more than their contracts say.
constexpr int32_t kMapLookupElem = 1, kTailCall = 12;

// No kernel has so many helpers: programs are refused if they get to such a call. libbpf puts them where a
// field or a kfunc is missing.
constexpr int32_t kFirstImpossibleHelper = 1 << 16;

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

// How a helper treats memory that the program can see.
enum class Touch : uint8_t {
  kNothing,   // reads what its arguments point to
  kBuffer,    // and writes the buffers that its contract names
  kAnything,  // or is not known
};
Touch touch_of(int32_t id);
// Whether a helper lends memory, or gives a map's value; or null.
bool gives_memory(int32_t id);
// Whether a helper writes all of its buffer, with zeros if it fails.
bool fills_buffer(int32_t id);

// Whether the address of an element depends on its key alone for as long as a program runs, and no element
// comes or goes: arrays, and this CPU's elements of arrays per CPU. `map_type`: enum bpf_map_type.
bool has_fixed_elements(uint32_t map_type);

}  // namespace epass::bpf
