// Maps with numbers as keys.

#include <algorithm>
#include <cerrno>

#include "maps/tables.h"
#include "maps/types.h"

namespace epass::maps {
namespace {

int next_index(const uint8_t* key, uint32_t size, uint8_t* next) {
  uint32_t index = key ? index_of(key) : UINT32_MAX;
  if (index >= size)
    index = 0;
  else if (index == size - 1)
    return -ENOENT;
  else
    ++index;
  std::memcpy(next, &index, sizeof index);
  return 0;
}

}  // namespace

Value* Array::lookup(const uint8_t* key, bool) {
  const uint32_t index = index_of(key);
  if (index >= spec_.max_entries) return nullptr;
  Value& value = values_[index];
  if (!value.bytes) {
    value.bytes = make_bytes(spec_.value_size);
    value.size = spec_.value_size;
    if (!value.bytes) {
      values_.erase(index);
      return nullptr;
    }
  }
  return &value;
}

int Array::update(const uint8_t* key, const uint8_t* value, uint64_t flags) {
  if ((flags & ~kLock) > BPF_EXIST) return -EINVAL;
  if (index_of(key) >= spec_.max_entries) return -E2BIG;
  if (flags & BPF_NOEXIST) return -EEXIST;
  if (flags & kLock && !spec_.spin_lock) return -EINVAL;
  Value* to = lookup(key, true);
  if (!to) return -ENOMEM;
  std::memcpy(to->bytes.get(), value, spec_.value_size);
  return 0;
}

int Array::erase(const uint8_t*) { return -EINVAL; }

int Array::next_key(const uint8_t* key, uint8_t* next) { return next_index(key, spec_.max_entries, next); }

void Array::for_each(const Visit& visit) {
  for (uint32_t index = 0; index < spec_.max_entries; ++index) {
    uint8_t key[4];
    std::memcpy(key, &index, sizeof key);
    Value* value = lookup(key, true);
    if (!value || !visit(key, *value)) return;
  }
}

void Array::for_each_touched(const Visit& visit) {
  std::vector<uint32_t> indices;
  for (const auto& [index, value] : values_) indices.push_back(index);
  std::ranges::sort(indices);
  for (uint32_t index : indices) {
    uint8_t key[4];
    std::memcpy(key, &index, sizeof key);
    if (!visit(key, values_[index])) return;
  }
}

Value* SlotArray::lookup(const uint8_t* key, bool) {
  auto it = values_.find(index_of(key));
  return it == values_.end() ? nullptr : &it->second;
}

int SlotArray::update(const uint8_t* key, const uint8_t* value, uint64_t flags) {
  // Slots of descriptors are replaced whatever they held; others tell whether they were empty.
  const bool descriptors =
      spec_.type == BPF_MAP_TYPE_PROG_ARRAY || spec_.type == BPF_MAP_TYPE_PERF_EVENT_ARRAY ||
      spec_.type == BPF_MAP_TYPE_CGROUP_ARRAY || spec_.type == BPF_MAP_TYPE_ARRAY_OF_MAPS;
  if (descriptors ? flags != BPF_ANY : flags > BPF_EXIST) return -EINVAL;
  const uint32_t index = index_of(key);
  if (index >= spec_.max_entries) return -E2BIG;
  if (flags == BPF_NOEXIST) return -EEXIST;
  Value& slot = values_[index];
  if (!slot.bytes) {
    slot.bytes = make_bytes(spec_.value_size), slot.size = spec_.value_size;
    if (!slot.bytes) {
      values_.erase(index);
      return -ENOMEM;
    }
  }
  std::memcpy(slot.bytes.get(), value, spec_.value_size);
  return 0;
}

int SlotArray::erase(const uint8_t* key) {
  const uint32_t index = index_of(key);
  if (index >= spec_.max_entries) return spec_.type == BPF_MAP_TYPE_DEVMAP ? -EINVAL : -E2BIG;
  auto it = values_.find(index);
  if (it == values_.end()) return spec_.type == BPF_MAP_TYPE_DEVMAP ? 0 : -ENOENT;
  retire(std::move(it->second));
  values_.erase(it);
  return 0;
}

int SlotArray::next_key(const uint8_t* key, uint8_t* next) {
  return next_index(key, spec_.max_entries, next);
}

void SlotArray::for_each(const Visit& visit) {
  for (auto& [index, value] : values_) {
    uint8_t key[4];
    std::memcpy(key, &index, sizeof key);
    if (!visit(key, value)) return;
  }
}

}  // namespace epass::maps
