// Hash tables, and storages that hang on kernel objects.

#include <cerrno>

#include "maps/tables.h"
#include "maps/types.h"

namespace epass::maps {

Value* Hash::lookup(const uint8_t* key, bool from_program) {
  auto it = index_.find(view(key));
  if (it == index_.end()) return nullptr;
  if (from_program && is_lru(spec_.type)) entries_.splice(entries_.end(), entries_, it->second);
  return &it->second->value;
}

int Hash::update(const uint8_t* key, const uint8_t* value, uint64_t flags) {
  const uint64_t known = per_cpu() || is_lru(spec_.type) ? 0 : kLock;
  if ((flags & ~known) > BPF_EXIST) return -EINVAL;
  if (flags & kLock && !spec_.spin_lock) return -EINVAL;
  auto it = index_.find(view(key));
  flags &= ~kLock;
  if (it != index_.end() && flags == BPF_NOEXIST) return -EEXIST;
  if (it == index_.end() && flags == BPF_EXIST) return -ENOENT;
  if (it != index_.end()) {
    std::memcpy(it->second->value.bytes.get(), value, spec_.value_size);
    if (is_lru(spec_.type)) entries_.splice(entries_.end(), entries_, it->second);
    return 0;
  }
  if (entries_.size() >= spec_.max_entries) {
    if (!is_lru(spec_.type)) return -E2BIG;
    Entry& oldest = entries_.front();
    index_.erase(oldest.key);
    retire(std::move(oldest.value));
    entries_.pop_front();
  }
  auto bytes = make_bytes(spec_.value_size);
  if (!bytes) return -ENOMEM;
  std::memcpy(bytes.get(), value, spec_.value_size);
  entries_.push_back({std::string(view(key)), {std::move(bytes), spec_.value_size, 0}});
  index_.emplace(entries_.back().key, std::prev(entries_.end()));
  return 0;
}

int Hash::erase(const uint8_t* key) {
  auto it = index_.find(view(key));
  if (it == index_.end()) return -ENOENT;
  auto entry = it->second;
  index_.erase(it);
  retire(std::move(entry->value));
  entries_.erase(entry);
  return 0;
}

int Hash::next_key(const uint8_t* key, uint8_t* next) {
  auto it = key ? index_.find(view(key)) : index_.end();
  auto entry = it == index_.end() ? entries_.begin() : std::next(it->second);
  if (entry == entries_.end()) return -ENOENT;
  std::memcpy(next, entry->key.data(), spec_.key_size);
  return 0;
}

void Hash::for_each(const Visit& visit) {
  for (Entry& entry : entries_)
    if (!visit(reinterpret_cast<const uint8_t*>(entry.key.data()), entry.value)) return;
}

}  // namespace epass::maps
