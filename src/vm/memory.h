#pragma once
// The memory of a program: named regions, read-only or not, with bounds that are exact to the byte. Addresses
// are virtual and the same in every run, or, in a raw memory, those of the host: then nothing is checked.

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

namespace epass::vm {

uint64_t mix(uint64_t a, uint64_t b);
uint64_t hash_of(const std::vector<uint8_t>& bytes);

enum class Access : uint8_t { kRead, kWrite };
// What lies in no region.
enum class Outside : uint8_t {
  kFault,    // nothing: accesses are errors
  kForeign,  // foreign memory, such as kernel structures: its bytes come from the seed; writes are remembered
};

struct Region {
  uint64_t base = 0, size = 0;
  uint8_t* host = nullptr;
  bool writable = true;
  // The JIT may keep the place of this region. Not for regions whose accesses mean something else.
  bool cacheable = true;
  std::string name = {};
  std::vector<uint8_t> bytes = {};  // if the memory owns them
};

class Memory {
 public:
  // `first`: bytes that are there at first, whatever else is said about them.
  explicit Memory(uint64_t seed = 0, Outside outside = Outside::kForeign, bool raw = false,
                  const std::map<uint64_t, uint8_t>* first = nullptr)
      : seed_(seed), outside_(outside), raw_(raw), first_(first) {
    forget();
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // Both return the address of the region: `base`, or where the bytes lie in the host if the memory is raw.
  // Bases should be 8 GiB apart: a region's neighbourhood of 4 GiB belongs to it, accesses there are errors.
  uint64_t add(std::string name, uint64_t base, std::vector<uint8_t> bytes, bool writable = true);
  // Bytes that someone else owns, until remove().
  uint64_t add(std::string name, uint64_t base, uint8_t* host, uint64_t size, bool writable = true);
  void remove(uint64_t address);
  // The packet grew or shrank.
  void resize(uint64_t address, uint8_t* host, uint64_t size);

  bool has(uint64_t address) const { return regions_.contains(address); }
  // The bytes that the memory owns there; null if there is no such region.
  std::vector<uint8_t>* region(uint64_t address);
  const Region* find_region(uint64_t address) const;  // that holds the address
  bool raw() const { return raw_; }
  Outside outside() const { return outside_; }
  // Changes whenever a region goes away or moves: nothing that was learned before holds any more.
  uint64_t epoch() const { return epoch_; }

  // Where `size` bytes at the address lie in the host; null if they lie in no region, or may not be accessed
  // so.
  uint8_t* at(uint64_t address, uint64_t size, Access access) {
    if (raw_) return reinterpret_cast<uint8_t*>(address);
    const Region* r = recent_[slot(address)];
    const uint64_t offset = address - r->base;
    if (offset < r->size && size <= r->size - offset && (access == Access::kRead || r->writable)) [[likely]]
      return r->host + offset;
    return search(address, size, access);
  }

  // With foreign memory where that is asked for. False if the bytes lie partly outside a region that begins
  // before them.
  bool read(uint64_t address, void* out, uint64_t size);
  bool write(uint64_t address, const void* in, uint64_t size);
  std::string place(uint64_t address) const;  // region+offset
  uint64_t foreign_hash() const;              // of all that was written to foreign memory

 private:
  static size_t slot(uint64_t address) { return (address >> 33 ^ address >> 44) & 15; }
  uint8_t* search(uint64_t address, uint64_t size, Access access);
  // The region at or below the address, if it is its neighbourhood.
  const Region* find(uint64_t address) const;
  void forget();

  uint64_t seed_;
  Outside outside_;
  bool raw_;
  const std::map<uint64_t, uint8_t>* first_;
  uint64_t epoch_ = 0;
  std::map<uint64_t, Region> regions_;
  std::array<const Region*, 16> recent_;
  std::unordered_map<uint64_t, uint8_t> foreign_;
};

}  // namespace epass::vm
