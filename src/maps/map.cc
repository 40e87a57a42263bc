// What all maps share: which ones the kernel makes, and the memory of values.

#include "maps/map.h"

#include <algorithm>
#include <cerrno>
#include <new>

#include "base/format.h"
#include "maps/tables.h"
#include "maps/types.h"

namespace epass::maps {
namespace {

constexpr uint64_t kMaxBytes = 256 << 20;     // of one map
constexpr uint64_t kMaxDeleted = 16 << 20;    // of values that were deleted
constexpr uint64_t kMaxAllocation = 4 << 20;  // the kernel's KMALLOC_MAX_SIZE
constexpr uint64_t kMaxPerCpu = 32 << 10;     // and its PCPU_MIN_UNIT_SIZE
constexpr uint64_t kElementHead = 48;         // struct htab_elem
constexpr uint32_t kPage = 4096;
constexpr int kNotSupported = -524;  // ENOTSUPP, which no header of user space has

struct TypeName {
  uint32_t type;
  const char* name;
};
constexpr TypeName kTypes[] = {{BPF_MAP_TYPE_HASH, "hash"},
                               {BPF_MAP_TYPE_ARRAY, "array"},
                               {BPF_MAP_TYPE_PROG_ARRAY, "prog_array"},
                               {BPF_MAP_TYPE_PERF_EVENT_ARRAY, "perf_event_array"},
                               {BPF_MAP_TYPE_PERCPU_HASH, "percpu_hash"},
                               {BPF_MAP_TYPE_PERCPU_ARRAY, "percpu_array"},
                               {BPF_MAP_TYPE_STACK_TRACE, "stack_trace"},
                               {BPF_MAP_TYPE_CGROUP_ARRAY, "cgroup_array"},
                               {BPF_MAP_TYPE_LRU_HASH, "lru_hash"},
                               {BPF_MAP_TYPE_LRU_PERCPU_HASH, "lru_percpu_hash"},
                               {BPF_MAP_TYPE_LPM_TRIE, "lpm_trie"},
                               {BPF_MAP_TYPE_ARRAY_OF_MAPS, "array_of_maps"},
                               {BPF_MAP_TYPE_HASH_OF_MAPS, "hash_of_maps"},
                               {BPF_MAP_TYPE_DEVMAP, "devmap"},
                               {BPF_MAP_TYPE_SOCKMAP, "sockmap"},
                               {BPF_MAP_TYPE_CPUMAP, "cpumap"},
                               {BPF_MAP_TYPE_XSKMAP, "xskmap"},
                               {BPF_MAP_TYPE_SOCKHASH, "sockhash"},
                               {BPF_MAP_TYPE_CGROUP_STORAGE, "cgroup_storage"},
                               {BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, "reuseport_sockarray"},
                               {BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE, "percpu_cgroup_storage"},
                               {BPF_MAP_TYPE_QUEUE, "queue"},
                               {BPF_MAP_TYPE_STACK, "stack"},
                               {BPF_MAP_TYPE_SK_STORAGE, "sk_storage"},
                               {BPF_MAP_TYPE_DEVMAP_HASH, "devmap_hash"},
                               {BPF_MAP_TYPE_STRUCT_OPS, "struct_ops"},
                               {BPF_MAP_TYPE_RINGBUF, "ringbuf"},
                               {BPF_MAP_TYPE_INODE_STORAGE, "inode_storage"},
                               {BPF_MAP_TYPE_TASK_STORAGE, "task_storage"},
                               {BPF_MAP_TYPE_BLOOM_FILTER, "bloom_filter"},
                               {kUserRingbuf, "user_ringbuf"},
                               {kCgroupLocalStorage, "cgrp_storage"},
                               {kArena, "arena"},
                               {kInsnArray, "insn_array"}};

bool is_power_of_two(uint32_t n) { return n != 0 && (n & (n - 1)) == 0; }

}  // namespace

std::string type_name(uint32_t type) {
  auto it = std::ranges::find(kTypes, type, &TypeName::type);
  return it == std::end(kTypes) ? format("type {}", type) : it->name;
}

uint32_t type_of(std::string_view name) {
  auto it = std::ranges::find_if(kTypes, [&](const TypeName& t) { return name == t.name; });
  return it == std::end(kTypes) ? 0 : it->type;
}

int refusal(const Spec& s) {
  const bool prealloc = !(s.flags & BPF_F_NO_PREALLOC);
  switch (s.type) {
    case BPF_MAP_TYPE_ARRAY:
    case BPF_MAP_TYPE_PERCPU_ARRAY:
      if (!s.max_entries || s.key_size != 4 || !s.value_size || !prealloc) return -EINVAL;
      if (s.value_size > INT32_MAX) return -E2BIG;
      if (s.type == BPF_MAP_TYPE_PERCPU_ARRAY && (uint64_t{s.value_size} + 7) / 8 * 8 > kMaxPerCpu)
        return -E2BIG;
      return 0;
    case BPF_MAP_TYPE_HASH:
    case BPF_MAP_TYPE_PERCPU_HASH:
    case BPF_MAP_TYPE_LRU_HASH:
    case BPF_MAP_TYPE_LRU_PERCPU_HASH:
      if (is_lru(s.type) && !prealloc) return kNotSupported;
      if (!is_lru(s.type) && s.flags & BPF_F_NO_COMMON_LRU) return -EINVAL;
      if (!s.max_entries || !s.key_size || !s.value_size) return -EINVAL;
      if (uint64_t{s.key_size} + s.value_size >= kMaxAllocation - kElementHead) return -E2BIG;
      if (s.type != BPF_MAP_TYPE_HASH && s.type != BPF_MAP_TYPE_LRU_HASH &&
          (uint64_t{s.value_size} + 7) / 8 * 8 > kMaxPerCpu)
        return -E2BIG;
      return 0;
    case BPF_MAP_TYPE_LPM_TRIE:
      return !s.max_entries || prealloc || s.key_size < 5 || s.key_size > 4 + 256 || !s.value_size ||
                     s.value_size >= kMaxAllocation - 256 - 64
                 ? -EINVAL
                 : 0;
    case BPF_MAP_TYPE_BLOOM_FILTER:
      if (s.value_size > kMaxAllocation) return -E2BIG;
      [[fallthrough]];
    case BPF_MAP_TYPE_QUEUE:
    case BPF_MAP_TYPE_STACK:
      if (!s.max_entries || s.key_size || !s.value_size || !prealloc) return -EINVAL;
      return s.value_size > kMaxAllocation ? -E2BIG : 0;
    case BPF_MAP_TYPE_RINGBUF:
    case kUserRingbuf:
      return s.key_size || s.value_size || !is_power_of_two(s.max_entries) || s.max_entries % kPage ? -EINVAL
                                                                                                    : 0;
    case BPF_MAP_TYPE_PROG_ARRAY:
    case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
    case BPF_MAP_TYPE_CGROUP_ARRAY:
      return !s.max_entries || s.key_size != 4 || s.value_size != 4 || !prealloc ? -EINVAL : 0;
    // Values are addresses of maps here, so their size may be that of a descriptor or of an address.
    case BPF_MAP_TYPE_ARRAY_OF_MAPS: return !s.max_entries || s.key_size != 4 ? -EINVAL : 0;
    case BPF_MAP_TYPE_DEVMAP:
    case BPF_MAP_TYPE_SOCKMAP:
    case BPF_MAP_TYPE_CPUMAP:
    case BPF_MAP_TYPE_XSKMAP:
    case BPF_MAP_TYPE_REUSEPORT_SOCKARRAY:
    case kInsnArray: return !s.max_entries || s.key_size != 4 || !s.value_size ? -EINVAL : 0;
    case BPF_MAP_TYPE_STRUCT_OPS:
    case kArena: return s.key_size > kMaxAllocation || s.value_size > kMaxAllocation ? -E2BIG : 0;
    default:
      if (!s.key_size || !s.value_size) return -EINVAL;
      return uint64_t{s.key_size} + s.value_size >= kMaxAllocation - kElementHead ? -E2BIG : 0;
  }
}

Result<std::unique_ptr<Map>> Map::create(Spec spec) {
  if (is_storage(spec.type) || spec.type == BPF_MAP_TYPE_CGROUP_STORAGE ||
      spec.type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE)
    spec.key_size = 8, spec.max_entries = 1 << 20;
  if (spec.type == BPF_MAP_TYPE_ARRAY_OF_MAPS || spec.type == BPF_MAP_TYPE_HASH_OF_MAPS ||
      spec.type == BPF_MAP_TYPE_PROG_ARRAY)
    spec.value_size = spec.type == BPF_MAP_TYPE_PROG_ARRAY ? 4 : 8;
  if (int error = refusal(spec)) {
    const std::string number = error == -E2BIG    ? "E2BIG"
                               : error == -EINVAL ? "EINVAL"
                                                  : format("error {}", -error);
    return fail("map-refused",
                format("the kernel would refuse the map `{}` with {}: {}, {} bytes of key, {} of value, {} "
                       "entries, flags {:#x}",
                       spec.name, number, type_name(spec.type), spec.key_size, spec.value_size,
                       spec.max_entries, spec.flags));
  }
  switch (spec.type) {
    case BPF_MAP_TYPE_ARRAY:
    case BPF_MAP_TYPE_PERCPU_ARRAY: return std::make_unique<Array>(std::move(spec));
    case BPF_MAP_TYPE_PROG_ARRAY:
    case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
    case BPF_MAP_TYPE_CGROUP_ARRAY:
    case BPF_MAP_TYPE_ARRAY_OF_MAPS:
    case BPF_MAP_TYPE_DEVMAP:
    case BPF_MAP_TYPE_SOCKMAP:
    case BPF_MAP_TYPE_CPUMAP:
    case BPF_MAP_TYPE_XSKMAP:
    case kInsnArray:
    case BPF_MAP_TYPE_REUSEPORT_SOCKARRAY: return std::make_unique<SlotArray>(std::move(spec));
    case BPF_MAP_TYPE_LPM_TRIE: return std::make_unique<Trie>(std::move(spec));
    case BPF_MAP_TYPE_QUEUE:
    case BPF_MAP_TYPE_STACK: return std::make_unique<Queue>(std::move(spec));
    case BPF_MAP_TYPE_BLOOM_FILTER: return std::make_unique<Bloom>(std::move(spec));
    case BPF_MAP_TYPE_RINGBUF: return std::make_unique<RingBuffer>(std::move(spec));
    case BPF_MAP_TYPE_STRUCT_OPS:
    case kArena:
    case kUserRingbuf:
      // Nothing that a program can do with them in user space: it sees an empty map.
      return std::unique_ptr<Map>(new Map(std::move(spec)));
    default: return std::make_unique<Hash>(std::move(spec));
  }
}

Value* Map::lookup(const uint8_t*, bool) { return nullptr; }
int Map::update(const uint8_t*, const uint8_t*, uint64_t) { return -EINVAL; }
int Map::erase(const uint8_t*) { return -EINVAL; }
int Map::next_key(const uint8_t*, uint8_t*) { return -EINVAL; }
int Map::push(const uint8_t*, uint64_t) { return kNotSupported; }
int Map::pop(uint8_t*) { return kNotSupported; }
int Map::peek(uint8_t*) { return kNotSupported; }
void Map::for_each(const Visit&) {}

bool Map::has_entries() const {
  switch (spec_.type) {
    case BPF_MAP_TYPE_QUEUE:
    case BPF_MAP_TYPE_STACK:
    case BPF_MAP_TYPE_BLOOM_FILTER:
    case BPF_MAP_TYPE_RINGBUF:
    case BPF_MAP_TYPE_STRUCT_OPS:
    case kArena:
    case kUserRingbuf: return false;
    default: return true;
  }
}

bool Map::per_cpu() const {
  return spec_.type == BPF_MAP_TYPE_PERCPU_ARRAY || spec_.type == BPF_MAP_TYPE_PERCPU_HASH ||
         spec_.type == BPF_MAP_TYPE_LRU_PERCPU_HASH || spec_.type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

std::unique_ptr<uint8_t[]> Map::make_bytes(uint64_t size) {
  if (size > kMaxBytes - std::min(bytes_, kMaxBytes)) return nullptr;
  std::unique_ptr<uint8_t[]> bytes(new (std::nothrow) uint8_t[std::max<uint64_t>(size, 1)]());
  if (bytes) bytes_ += size;
  return bytes;
}

void Map::retire(Value value) {
  deleted_bytes_ += value.size + sizeof(Value);
  deleted_.push_back(std::move(value));
  if (deleted_bytes_ > kMaxDeleted) drop_deleted();
}

void Map::drop_deleted() {
  for (Value& value : deleted_) {
    if (dropped) dropped(value);
    bytes_ -= value.size;
  }
  deleted_.clear();
  deleted_bytes_ = 0;
}

}  // namespace epass::maps
