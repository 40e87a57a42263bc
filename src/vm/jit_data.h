#pragma once
// What compiled code and the machine share, and the functions that compiled code calls.

#include "vm/jit.h"

namespace epass::vm {

// The region that a place in the code met last, less the offset of its instruction. Nothing fits a limit of
// 0.
struct JitSite {
  uint64_t base = 0;
  uint64_t limit = 0;     // first offset at which the access would not fit any more
  uint64_t distance = 0;  // from an address, less the offset of the instruction, to its place in the host
};

// Lies in front of the code, which reaches it relative to the instruction pointer.
struct JitData {
  State state;
  Machine* machine = nullptr;
  Jit* jit = nullptr;
  uint64_t epoch = 0;
  uint64_t op = 0;      // that calls out
  uint64_t callee = 0;  // of a call through a register
  uint64_t result = 0;
  uint64_t spacing = kFrameSpacing, step = bpf::kStackSize - kFrameSpacing;  // what a call adds to rbp and r9
  uint64_t sites = 0, tables = 0;  // numbers of JitSite and of table entries behind this
  JitSite* site(uint64_t n) { return reinterpret_cast<JitSite*>(this + 1) + n; }
  uint64_t* table() { return reinterpret_cast<uint64_t*>(site(sites)); }
};

struct JitCalls {
  static uint64_t step(JitData* data, uint64_t op);
  static uint64_t out_of_time(JitData* data, uint64_t op);
  static uint64_t frame(JitData* data, uint64_t op);
  static uint64_t code_address(JitData* data, uint64_t op);
  static uint64_t tail_call(JitData* data);
  static uint64_t helper(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, JitData* data);
  static uint64_t through_register(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5,
                                   JitData* data);

 private:
  template <class Call>
  static uint64_t call_out(const uint64_t (&args)[5], JitData* data, Call call);
  static void find_depth(JitData* data);
  static void remember(JitData* data, const Op& op, uint32_t site, uint64_t address, bool writes);
};

}  // namespace epass::vm
