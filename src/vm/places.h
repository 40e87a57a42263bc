#pragma once
// Where things lie in the address space of a run.

#include <cstdint>

namespace epass::vm {

enum Base : uint64_t {
  kContextBase = 0x1000'0000'0000,
  kPacketBase = 0x2000'0000'0000,
  kMapHandleBase = 0x3000'0000'0000,  // not memory: opaque handles
  kMapValueBase = 0x4000'0000'0000,
  kDataBase = 0x5000'0000'0000,  // + symbol << 33
  kHeapBase = 0x6000'0000'0000,
  kOutputBase = 0x6400'0000'0000,    // not memory: what helpers write, by call
  kFunctionBase = 0x6800'0000'0000,  // not memory: function + record
  kStackBase = 0x7000'0000'0000,
  kTableBase = 0x7800'0000'0000,  // jump tables
};

// The n-th region of a kind. They lie 8 GiB apart; a kind that has more of them than the space below the next
// kind takes goes on above all kinds.
constexpr uint64_t kRegionsBelow = 512;
constexpr uint64_t region_address(Base base, uint64_t n) {
  return (n < kRegionsBelow ? uint64_t{base} : uint64_t{base} << 8) + (n << 33);
}
// An address of a region of a kind as if it lay below the next kind.
constexpr uint64_t below_next(uint64_t address) { return address >> 48 ? address >> 8 : address; }
constexpr bool is_in(uint64_t address, Base base, Base next) {
  return below_next(address) >= base && below_next(address) < next;
}
// Of an address in a region of that kind.
constexpr uint64_t region_number(Base base, uint64_t address) {
  return (address - (address >> 48 ? uint64_t{base} << 8 : uint64_t{base})) >> 33;
}

}  // namespace epass::vm
