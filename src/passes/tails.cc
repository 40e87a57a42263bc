#include "passes/tails.h"

namespace epass {

static uint64_t shape_of(const InstData& d) {
  uint64_t hash = 14695981039346656037ull;
  for (uint64_t part :
       {uint64_t(d.op), uint64_t(d.width), uint64_t(d.size), uint64_t(uint16_t(d.offset)), uint64_t(d.pseudo),
        uint64_t(d.imm), uint64_t(d.symbol.index), uint64_t(d.slot.index), uint64_t(d.operand_count)}) {
    hash = (hash ^ part) * 1099511628211ull;
    hash ^= hash >> 29;
  }
  return hash;
}

Tail find_tail(const Function& fn, Block b) {
  constexpr size_t kLongest = 32;
  Tail tail{.block = b};
  tail.insts.push_back(fn.terminator(b));
  for (Inst i = fn.insts[fn.terminator(b)].prev; i && tail.shapes.size() < kLongest; i = fn.insts[i].prev) {
    if (fn.insts[i].core != kNoCore) break;
    tail.insts.push_back(i);
    tail.shapes.push_back(shape_of(fn.insts[i]));
  }
  return tail;
}

size_t common_length(const Tail& a, const Tail& b) {
  size_t n = 0;
  while (n < a.shapes.size() && n < b.shapes.size() && a.shapes[n] == b.shapes[n]) ++n;
  return n;
}

int64_t records_of(const Function& fn, Inst i) {
  const InstData& d = fn.insts[i];
  if (d.op == Opcode::Symbol) return 2;
  // Often part of the instruction that uses it.
  const bool in_place = d.op == Opcode::Const || d.op == Opcode::SlotAddr || d.op == Opcode::Undef;
  return in_place && !fn.home(d.result) ? 0 : 1;
}

}  // namespace epass
