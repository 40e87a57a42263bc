#include "analysis/load_run.h"

#include <algorithm>
#include <bit>

#include "bpf/contracts.h"

namespace epass {

SideTable<Inst, uint32_t> number_insts(const Function& fn) {
  SideTable<Inst, uint32_t> order(fn.insts.size(), 0);
  uint32_t n = 0;
  for (Block b : fn.all_blocks())
    for (Inst i : fn.insts_of(b)) order.at(i) = ++n;
  return order;
}

bool allows_width(const Function& fn, const Location& at, Alignment alignment) {
  const bool is_aligned = at.at.offset % at.bytes == 0;
  switch (at.at.region) {
    case Region::kStack: return !at.at.root && is_aligned;
    case Region::kPacket: return alignment == Alignment::kAny;
    case Region::kMapValue: {
      // Values of maps begin at multiples of eight.
      const Inst made = at.at.root ? fn.def(at.at.root) : Inst{};
      const bool is_value =
          made && fn.insts[made].op == Opcode::CallHelper && fn.insts[made].imm == bpf::kMapLookupElem;
      return alignment == Alignment::kAny || (is_value && is_aligned);
    }
    default: return false;
  }
}

std::optional<LoadRun> find_load_run(const Function& fn, const MemoryModel& memory,
                                     const SideTable<Inst, uint32_t>& order,
                                     std::span<const ByteSource> bytes, Alignment alignment,
                                     const char** why) {
  auto refuse = [&](const char* reason) {
    if (why) *why = reason;
    return std::optional<LoadRun>();
  };
  Inst first, last;
  Location start;
  int64_t previous = 0;
  int direction = 0;
  for (size_t n = 0; n < bytes.size(); ++n) {
    const Inst i = bytes[n].kind == ByteSource::Kind::kValue ? fn.def(bytes[n].value) : Inst{};
    if (!i || fn.insts[i].op != Opcode::Load || fn.insts[i].core != kNoCore || !order[i]) return {};
    if (bytes[n].byte >= bytes_of(fn.insts[i].size)) return {};
    if (first && fn.insts[i].block != fn.insts[first].block)
      return refuse("its bytes are loaded in different blocks");
    Location at = memory.location(i);
    at.at.offset += bytes[n].byte;
    if (n == 0) {
      start = at, first = last = i, previous = at.at.offset;
      continue;
    }
    const int64_t step = at.at.offset - previous;
    if (at.at.root != start.at.root || at.at.region != start.at.region || (step != 1 && step != -1))
      return {};
    if (n > 1 && step != direction) return {};
    direction = int(step);
    previous = at.at.offset;
    if (at.at.offset < start.at.offset) start = at;
    if (order[i] < order[first]) first = i;
    if (order[i] > order[last]) last = i;
  }
  start.bytes = uint32_t(bytes.size());
  if (first == last) return {};
  if (!allows_width(fn, start, alignment))
    return refuse("a wide load may be refused there: its alignment is not known");
  for (Inst i = first; i != last; i = fn.next(i))
    if (memory.may_write(i, start)) return refuse("something between the loads may change the bytes");
  // The base of the lowest load may be made between the loads: count from that of the first.
  const int64_t offset = fn.insts[first].offset + start.at.offset - memory.location(first).at.offset;
  if (offset != int16_t(offset)) return {};
  constexpr MemSize kSizes[] = {MemSize::kU8, MemSize::kU16, MemSize::kU32, MemSize::kU64};
  return LoadRun{first, int16_t(offset), kSizes[std::countr_zero(bytes.size())], direction < 0};
}

}  // namespace epass
