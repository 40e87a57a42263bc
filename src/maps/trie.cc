// Longest prefix match by the lengths that occur: at most one search for each of them.

#include <algorithm>
#include <cerrno>

#include "maps/tables.h"
#include "maps/types.h"

namespace epass::maps {
namespace {

uint32_t length_of(const std::string& key) { return index_of(reinterpret_cast<const uint8_t*>(key.data())); }

uint8_t byte_of(const std::string& key, uint32_t n) { return static_cast<uint8_t>(key[4 + n]); }

// Of one byte, the leading `bits`.
uint8_t leading(uint8_t byte, uint32_t bits) {
  return bits >= 8 ? byte : static_cast<uint8_t>(byte & ~(0xff >> bits));
}

}  // namespace

bool Trie::ChildrenFirst::operator()(const std::string& a, const std::string& b) const {
  const uint32_t common = std::min(length_of(a), length_of(b));
  for (uint32_t bit = 0; bit < common; bit += 8) {
    const uint32_t n = common - bit;
    const uint8_t x = leading(byte_of(a, bit / 8), n), y = leading(byte_of(b, bit / 8), n);
    if (x != y) return x < y;
  }
  return length_of(a) > length_of(b);
}

std::string Trie::canonical(const uint8_t* key, uint32_t length) const {
  std::string out(spec_.key_size, '\0');
  std::memcpy(out.data(), &length, sizeof length);
  for (uint32_t bit = 0; bit < length; bit += 8)
    out[4 + bit / 8] = static_cast<char>(leading(key[4 + bit / 8], length - bit));
  return out;
}

Value* Trie::lookup(const uint8_t* key, bool) {
  const uint32_t asked = index_of(key);
  if (asked > max_length()) return nullptr;
  for (const auto& [length, count] : lengths_) {
    if (length > asked) continue;
    if (auto it = entries_.find(canonical(key, length)); it != entries_.end()) return &it->second.value;
  }
  return nullptr;
}

int Trie::update(const uint8_t* key, const uint8_t* value, uint64_t flags) {
  if (flags > BPF_EXIST || index_of(key) > max_length()) return -EINVAL;
  std::string prefix = canonical(key, index_of(key));
  auto it = entries_.find(prefix);
  if (it != entries_.end() && flags == BPF_NOEXIST) return -EEXIST;
  if (it == entries_.end() && flags == BPF_EXIST) return -ENOENT;
  if (it == entries_.end()) {
    if (entries_.size() >= spec_.max_entries) return -ENOSPC;
    auto bytes = make_bytes(spec_.value_size);
    if (!bytes) return -ENOMEM;
    it = entries_.emplace(std::move(prefix), Entry{}).first;
    it->second.value = {std::move(bytes), spec_.value_size, 0};
    ++lengths_[index_of(key)];
  }
  it->second.key.assign(reinterpret_cast<const char*>(key), spec_.key_size);
  std::memcpy(it->second.value.bytes.get(), value, spec_.value_size);
  return 0;
}

int Trie::erase(const uint8_t* key) {
  const uint32_t length = index_of(key);
  if (length > max_length()) return -EINVAL;
  auto it = entries_.find(canonical(key, length));
  if (it == entries_.end()) return -ENOENT;
  retire(std::move(it->second.value));
  entries_.erase(it);
  if (--lengths_[length] == 0) lengths_.erase(length);
  return 0;
}

int Trie::next_key(const uint8_t* key, uint8_t* next) {
  auto it = entries_.begin();
  if (key && index_of(key) <= max_length())
    if (auto at = entries_.find(canonical(key, index_of(key))); at != entries_.end()) it = std::next(at);
  if (it == entries_.end()) return -ENOENT;
  std::memcpy(next, it->second.key.data(), spec_.key_size);
  return 0;
}

void Trie::for_each(const Visit& visit) {
  for (auto& [prefix, entry] : entries_)
    if (!visit(reinterpret_cast<const uint8_t*>(entry.key.data()), entry.value)) return;
}

}  // namespace epass::maps
