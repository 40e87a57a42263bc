#include "analysis/shape.h"

namespace epass {

uint64_t shape_of(const InstData& d) {
  uint64_t hash = 14695981039346656037ull;
  for (uint64_t part :
       {uint64_t(d.op), uint64_t(d.width), uint64_t(d.size), uint64_t(uint16_t(d.offset)), uint64_t(d.pseudo),
        uint64_t(d.imm), uint64_t(d.symbol.index), uint64_t(d.slot.index), uint64_t(d.operand_count)}) {
    hash = (hash ^ part) * 1099511628211ull;
    hash ^= hash >> 29;
  }
  return hash;
}

}  // namespace epass
