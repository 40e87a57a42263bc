#pragma once
// Makes one value of bytes that are known one by one.

#include "analysis/load_run.h"
#include "pass/pass.h"

namespace epass {

// What the option `unaligned` says.
inline Alignment alignment_of(const PassContext& context) {
  return context.option("unaligned") == "no" ? Alignment::kStrict : Alignment::kAny;
}

struct WideValue {
  Function& fn;
  const MemoryModel& memory;
  const SideTable<Inst, uint32_t>& order;
  Alignment alignment = Alignment::kAny;

  // A value with these bytes (2, 4 or 8 of them, the lowest first) in front of `at`. None if that would cost
  // more than the `stores` that it is to replace.
  Value make(std::span<const ByteSource> bytes, size_t stores, Inst at) const;
  // The wide load of a run, in front of its first load; swapped in front of `at` if need be.
  Value load(const LoadRun& run, Inst at) const;

 private:
  Value swap(Value v, size_t bytes, Inst at) const;
};

}  // namespace epass
