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

}  // namespace epass::vm
