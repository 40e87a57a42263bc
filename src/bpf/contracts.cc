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

Touch touch_of(int32_t id) {
  switch (id) {
    case 1:    // map_lookup_elem
    case 5:    // ktime_get_ns
    case 6:    // trace_printk
    case 7:    // get_prandom_u32
    case 8:    // get_smp_processor_id
    case 14:   // get_current_pid_tgid
    case 15:   // get_current_uid_gid
    case 25:   // perf_event_output
    case 35:   // get_current_task
    case 42:   // get_numa_node_id
    case 80:   // get_current_cgroup_id
    case 118:  // jiffies64
    case 123:  // get_current_ancestor_cgroup_id
    case 125:  // ktime_get_boot_ns
    case 130:  // ringbuf_output
    case 131:  // ringbuf_reserve
    case 134:  // ringbuf_query
    case 158:  // get_current_task_btf
    case 160:  // ktime_get_coarse_ns
    case 208:  // ktime_get_tai_ns
      return Touch::kNothing;
    case 4:    // probe_read
    case 16:   // get_current_comm
    case 26:   // skb_load_bytes
    case 45:   // probe_read_str
    case 112:  // probe_read_user
    case 113:  // probe_read_kernel
    case 114:  // probe_read_user_str
    case 115:  // probe_read_kernel_str
      return Touch::kBuffer;
    default: return Touch::kAnything;
  }
}

bool fills_buffer(int32_t id) {
  // probe_read, get_current_comm, skb_load_bytes, probe_read_user, probe_read_kernel
  return id == 4 || id == 16 || id == 26 || id == 112 || id == 113;
}

bool has_fixed_elements(uint32_t map_type) {
  constexpr uint32_t kArray = 2, kPercpuArray = 6;
  return map_type == kArray || map_type == kPercpuArray;
}

bool gives_memory(int32_t id) {
  return id == 1 || id == 81 || id == 107 || id == 131 || id == 145 || id == 156 || id == 195 || id == 210;
}

}  // namespace epass::bpf
