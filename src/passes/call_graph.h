#pragma once
// Who calls whom among the functions of a program, and how deep their frames are stacked.

#include <vector>

#include "pass/pass.h"

namespace epass {

struct CallSite {
  bpf::FunctionId caller = {};
  Inst call = {};
};

class CallGraph {
 public:
  // Functions that nothing leads to any more count for nothing.
  CallGraph(const Members& members, const Symbols& symbols);

  const std::vector<CallSite>& calls_to(bpf::FunctionId id) const { return calls_to_[id.index]; }
  bool is_used(bpf::FunctionId id) const { return used_[id.index]; }
  // Each function once, after all that it calls; without those that call themselves, by others perhaps.
  std::vector<bpf::FunctionId> bottom_up() const;
  uint32_t frame(bpf::FunctionId id) const { return frames_[id.index]; }
  // The deepest stack on a way through `caller` if it had the code of `callee` in place of its calls of it,
  // and a frame of that size; each frame as the verifier rounds it. Functions that are not known have no
  // bounds.
  uint32_t depth_with(bpf::FunctionId caller, bpf::FunctionId callee, uint32_t frame);
  // Code of `callee` stands in `caller` now, which has a frame of that size.
  void copied(bpf::FunctionId caller, bpf::FunctionId callee, uint32_t frame);

 private:
  void find_used(const Members& members);
  void find_depths();

  std::vector<std::vector<bpf::FunctionId>> callees_;  // and functions whose address it takes
  std::vector<std::vector<CallSite>> calls_to_;
  std::vector<uint8_t> used_;
  std::vector<uint32_t> frames_, above_, below_;
  bool depths_known_ = false;
};

// The bytes of the function's frame that it uses itself; codegen may add spills.
uint32_t frame_bytes(const Function& fn);
constexpr uint32_t rounded_frame(uint32_t bytes) { return bytes ? (bytes + 31) / 32 * 32 : 32; }

}  // namespace epass
