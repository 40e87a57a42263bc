#pragma once
// Bytes that lie next to each other in memory and are loaded one by one: what one wide load can fetch.

#include <optional>
#include <span>

#include "analysis/byte_source.h"
#include "analysis/memory.h"

namespace epass {

// Numbers of instructions in layout order, for those that were there when it was made.
SideTable<Inst, uint32_t> number_insts(const Function& fn);

// What the processor that will run the program asks of accesses beyond the stack.
enum class Alignment : uint8_t { kAny, kStrict };

struct LoadRun {
  Inst first = {};  // the wide load goes before it, with its base: nothing changes the bytes until the last
  int16_t offset = 0;
  MemSize size = MemSize::kU8;
  bool swapped = false;  // the lowest address holds the highest byte
};

// What single load gives these bytes (2, 4 or 8 of them, the lowest first). None if there is no such load, it
// may be refused, or there is only one load already. `why` is told what spoke against a load that all bytes
// are there for.
std::optional<LoadRun> find_load_run(const Function& fn, const MemoryModel& memory,
                                     const SideTable<Inst, uint32_t>& order,
                                     std::span<const ByteSource> bytes, Alignment alignment,
                                     const char** why = nullptr);

// Whether the verifier takes an access of any width there, if it takes narrower ones to the same bytes: not
// in the context or in kernel structures, whose fields have their sizes; on the stack only if it is aligned;
// if the processor wants all accesses aligned, of the rest only what a lookup found.
bool allows_width(const Function& fn, const Location& at, Alignment alignment);

}  // namespace epass
