#pragma once
// Map types and flags that the headers of older systems lack.

#include <linux/bpf.h>

namespace epass::maps {

enum NewType : uint32_t { kUserRingbuf = 31, kCgroupLocalStorage = 32, kArena = 33, kInsnArray = 34 };

constexpr uint64_t kLock = 4;  // BPF_F_LOCK

// Storage of sockets, inodes, tasks and cgroups: the key is the object's address.
constexpr bool is_storage(uint32_t type) {
  return type == BPF_MAP_TYPE_SK_STORAGE || type == BPF_MAP_TYPE_INODE_STORAGE ||
         type == BPF_MAP_TYPE_TASK_STORAGE || type == kCgroupLocalStorage;
}

constexpr bool is_lru(uint32_t type) {
  return type == BPF_MAP_TYPE_LRU_HASH || type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

}  // namespace epass::maps
