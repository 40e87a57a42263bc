#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

namespace epass::vm {

uint64_t mix(uint64_t a, uint64_t b);
uint64_t hash_of(const std::vector<uint8_t>& bytes);

// Named regions at fixed virtual addresses. What lies in none of them is foreign memory: kernel structures
// that tracing programs read. It holds bytes that the seed decides, and remembers what is written.
class Memory {
 public:
  // `first`: bytes that are there at first, whatever else is said about them.
  explicit Memory(uint64_t seed, const std::map<uint64_t, uint8_t>* first = nullptr)
      : seed_(seed), first_(first) {}

  void add(std::string name, uint64_t base, std::vector<uint8_t> bytes, bool writable = true);
  bool has(uint64_t base) const { return regions_.contains(base); }
  std::vector<uint8_t>* region(uint64_t base);
  void remove(uint64_t base) { regions_.erase(base); }

  // False if the bytes lie partly outside a region that begins before them.
  bool read(uint64_t address, void* out, uint32_t size) const;
  bool write(uint64_t address, const void* in, uint32_t size);
  std::string place(uint64_t address) const;  // region+offset
  uint64_t foreign_hash() const;              // of all that was written to foreign memory

 private:
  struct Region {
    std::string name;
    std::vector<uint8_t> bytes;
    bool writable = true;
  };
  // The region at or below the address, if it is its neighbourhood.
  const std::pair<const uint64_t, Region>* find(uint64_t address) const;

  uint64_t seed_;
  const std::map<uint64_t, uint8_t>* first_;
  std::map<uint64_t, Region> regions_;
  std::unordered_map<uint64_t, uint8_t> foreign_;
};

}  // namespace epass::vm
