#include "vm/memory.h"

#include <cstring>

#include "base/format.h"

namespace epass::vm {

namespace {
// Regions are this far apart: an address in between belongs to the region below it, and is outside.
constexpr uint64_t kSpacing = uint64_t{1} << 32;
}  // namespace

uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t x = a * 0x9e3779b97f4a7c15 + b + 0x632be59bd9b4e019;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

uint64_t hash_of(const std::vector<uint8_t>& bytes) {
  uint64_t hash = bytes.size();
  for (uint8_t byte : bytes) hash = mix(hash, byte);
  return hash;
}

void Memory::add(std::string name, uint64_t base, std::vector<uint8_t> bytes, bool writable) {
  if (first_)
    for (auto it = first_->lower_bound(base); it != first_->end() && it->first - base < bytes.size(); ++it)
      bytes[it->first - base] = it->second;
  regions_[base] = {std::move(name), std::move(bytes), writable};
}

std::vector<uint8_t>* Memory::region(uint64_t base) {
  auto it = regions_.find(base);
  return it == regions_.end() ? nullptr : &it->second.bytes;
}

const std::pair<const uint64_t, Memory::Region>* Memory::find(uint64_t address) const {
  auto it = regions_.upper_bound(address + 4096);  // a little below a region is meant for it, too
  while (it != regions_.begin()) {
    --it;
    if (address < it->first && it->first - address > 4096) continue;
    if (address >= it->first && address - it->first >= kSpacing) return nullptr;
    if (address < it->first && it != regions_.begin() &&
        address - std::prev(it)->first < std::prev(it)->second.bytes.size())
      continue;
    return &*it;
  }
  return nullptr;
}

bool Memory::read(uint64_t address, void* out, uint32_t size) const {
  if (const auto* r = find(address)) {
    if (address < r->first || address - r->first + size > r->second.bytes.size()) return false;
    if (size) std::memcpy(out, r->second.bytes.data() + (address - r->first), size);
    return true;
  }
  for (uint32_t n = 0; n < size; ++n) {
    auto it = foreign_.find(address + n);
    uint8_t byte = uint8_t(mix(seed_, address + n));
    if (it != foreign_.end())
      byte = it->second;
    else if (first_ && !first_->empty())
      if (auto given = first_->find(address + n); given != first_->end()) byte = given->second;
    static_cast<uint8_t*>(out)[n] = byte;
  }
  return true;
}

bool Memory::write(uint64_t address, const void* in, uint32_t size) {
  if (const auto* found = find(address)) {
    auto& r = *const_cast<std::pair<const uint64_t, Region>*>(found);
    if (!r.second.writable || address < r.first || address - r.first + size > r.second.bytes.size())
      return false;
    if (size) std::memcpy(r.second.bytes.data() + (address - r.first), in, size);
    return true;
  }
  for (uint32_t n = 0; n < size; ++n) foreign_[address + n] = static_cast<const uint8_t*>(in)[n];
  return true;
}

uint64_t Memory::foreign_hash() const {
  uint64_t hash = 0;
  for (auto [address, byte] : foreign_) hash ^= mix(address, byte);  // in any order
  return hash;
}

std::string Memory::place(uint64_t address) const {
  const auto* r = find(address);
  if (!r) return format("{:#x}", address);
  return format("{}{:+}", r->second.name, int64_t(address - r->first));
}

}  // namespace epass::vm
