#include "vm/memory.h"

#include <cstring>

#include "base/format.h"

namespace epass::vm {

namespace {
// Regions are this far apart: an address in between belongs to the region below it, and is outside.
constexpr uint64_t kSpacing = uint64_t{1} << 32;
const Region kNothing;
}  // namespace

uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t x = a * 0x9e3779b97f4a7c15 + b + 0x632be59bd9b4e019;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

uint64_t hash_of(const std::vector<uint8_t>& bytes) {
  // Values of maps are large, and there is one hash for each run.
  constexpr uint64_t kPrime = 0x9e3779b97f4a7c15;
  uint64_t hash = bytes.size(), word = 0;
  size_t n = 0;
  for (; n + 8 <= bytes.size(); n += 8) {
    std::memcpy(&word, bytes.data() + n, 8);
    hash = (hash ^ word) * kPrime;
    hash ^= hash >> 29;
  }
  for (; n < bytes.size(); ++n) hash = mix(hash, bytes[n]);
  return hash;
}

void Memory::forget() {
  recent_.fill(&kNothing);
  ++epoch_;
}

uint64_t Memory::add(std::string name, uint64_t base, std::vector<uint8_t> bytes, bool writable) {
  // An empty region has an address, too.
  if (raw_ && bytes.capacity() == 0) bytes.reserve(1);
  const uint64_t size = bytes.size();
  uint8_t* host = bytes.data();
  base = add(std::move(name), base, host, size, writable);
  regions_[base].bytes = std::move(bytes);
  return base;
}

uint64_t Memory::add(std::string name, uint64_t base, uint8_t* host, uint64_t size, bool writable) {
  if (raw_) base = reinterpret_cast<uint64_t>(host);
  if (first_)
    for (auto it = first_->lower_bound(base); it != first_->end() && it->first - base < size; ++it)
      host[it->first - base] = it->second;
  auto [it, is_new] = regions_.try_emplace(base);
  if (!is_new) forget();
  it->second = {base, size, host, writable, true, std::move(name), {}};
  return base;
}

void Memory::remove(uint64_t address) {
  if (regions_.erase(address)) forget();
}

void Memory::resize(uint64_t address, uint8_t* host, uint64_t size) {
  auto it = regions_.find(address);
  if (it == regions_.end()) return;
  it->second.host = host, it->second.size = size;
  forget();
}

std::vector<uint8_t>* Memory::region(uint64_t address) {
  auto it = regions_.find(address);
  return it == regions_.end() ? nullptr : &it->second.bytes;
}

const Region* Memory::find(uint64_t address) const {
  auto it = regions_.upper_bound(address + 4096);  // a little below a region is meant for it, too
  while (it != regions_.begin()) {
    --it;
    if (address < it->first && it->first - address > 4096) continue;
    if (address >= it->first && address - it->first >= kSpacing) return nullptr;
    if (address < it->first && it != regions_.begin() &&
        address - std::prev(it)->first < std::prev(it)->second.size)
      continue;
    return &it->second;
  }
  return nullptr;
}

const Region* Memory::find_region(uint64_t address) const {
  auto it = regions_.upper_bound(address);
  if (it == regions_.begin()) return nullptr;
  const Region& r = std::prev(it)->second;
  return address - r.base < r.size ? &r : nullptr;
}

uint8_t* Memory::search(uint64_t address, uint64_t size, Access access) {
  auto it = regions_.upper_bound(address);
  if (it == regions_.begin()) return nullptr;
  const Region& r = std::prev(it)->second;
  const uint64_t offset = address - r.base;
  if (offset > r.size || size > r.size - offset) return nullptr;
  if (access == Access::kWrite && !r.writable) return nullptr;
  recent_[slot(address)] = &r;
  return r.host + offset;
}

bool Memory::read(uint64_t address, void* out, uint64_t size) {
  if (!size) {
    const Region* r = find(address);
    return !r || (address >= r->base && address - r->base <= r->size);
  }
  if (const uint8_t* host = at(address, size, Access::kRead)) {
    std::memcpy(out, host, size);
    return true;
  }
  if (outside_ == Outside::kFault || find(address)) return false;
  for (uint64_t n = 0; n < size; ++n) {
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

bool Memory::write(uint64_t address, const void* in, uint64_t size) {
  if (!size) return read(address, nullptr, 0);
  if (uint8_t* host = at(address, size, Access::kWrite)) {
    std::memmove(host, in, size);
    return true;
  }
  if (outside_ == Outside::kFault || find(address)) return false;
  for (uint64_t n = 0; n < size; ++n) foreign_[address + n] = static_cast<const uint8_t*>(in)[n];
  return true;
}

uint64_t Memory::foreign_hash() const {
  uint64_t hash = 0;
  for (auto [address, byte] : foreign_) hash ^= mix(address, byte);  // in any order
  return hash;
}

std::string Memory::place(uint64_t address) const {
  const Region* r = find(address);
  if (!r) return format("{:#x}", address);
  return format("{}{:+}", r->name, int64_t(address - r->base));
}

}  // namespace epass::vm
