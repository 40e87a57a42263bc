#pragma once
#include <map>
#include <string>

#include "base/result.h"
#include "kernel/fd.h"

namespace epass::kernel {

struct MapSpec {
  std::string name = {};
  uint32_t type = 0, key_size = 0, value_size = 0, max_entries = 0, flags = 0;
  bool frozen = false;
  std::string data = {};                                                       // first bytes of entry 0
  uint32_t inner_type = 0, inner_key = 0, inner_value = 0, inner_entries = 0;  // of maps of maps
};

// Hash-like maps are cut to 4,096 entries: acceptance does not depend on it, memory does.
Result<Fd> create_map(const MapSpec& spec);

// Stand-ins for the map descriptors of a dump, from CSV with the header
// fd,type,key_size,value_size,max_entries,flags,frozen,inner[,data]: `type` as the kernel names it, `inner`
// as `type:entries`. Errors carry the line.
Result<std::map<int, Fd>> read_maps(std::string_view csv);

// Whether maps of the type take room for each entry that they may have.
bool is_hash_like(uint32_t type);

uint32_t map_type(std::string_view name);  // 0 unknown

}  // namespace epass::kernel
