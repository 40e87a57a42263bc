// How deep the program's own frame reaches. The code generator puts what it spills below that, so a frame
// that is measured too small makes programs overwrite their own buffers.
//
// Every value gets the lowest offset from the frame pointer that it may hold, through copies, constant
// additions and block parameters. Code that gets such an address by a call or through memory may use what
// lies above it: the address of an object is that of its first byte.

#include "lift/frame.h"

#include <algorithm>
#include <optional>

#include "bpf/insn.h"

namespace epass {
namespace {

class FrameDepth {
 public:
  FrameDepth(const Function& fn, Slot slot) : fn_(fn), slot_(slot), lowest_(fn.values.size(), kNoAddress) {}

  // None: some address is not constant.
  std::optional<int64_t> run() {
    // Each round takes what it learns on to all blocks that follow; more are needed for loops only.
    for (int round = 0; round < kMaxRounds; ++round) {
      changed_ = false;
      for (Block b : fn_.all_blocks())
        for (Inst i : fn_.insts_of(b))
          if (!visit(i)) return {};
      if (!changed_) return deepest_;
    }
    return {};
  }

 private:
  static constexpr int64_t kNoAddress = INT64_MAX;
  static constexpr int kMaxRounds = 8;

  int64_t lowest(Value v) const { return lowest_[fn_.resolve(v).index]; }
  void reach(Value v, int64_t offset) {
    int64_t& known = lowest_[v.index];
    if (offset >= known) return;
    known = offset, changed_ = true;
    deepest_ = std::min(deepest_, offset);
  }

  bool visit(Inst i) {
    const InstData& d = fn_.insts[i];
    for (uint32_t n = 0; n < d.edge_count; ++n) {
      Edge e = fn_.edge(i, n);
      auto args = fn_.args(e);
      auto params = fn_.params(fn_.edges[e].to);
      for (size_t k = 0; k < args.size(); ++k) reach(params[k], lowest(args[k]));
    }
    if (d.op == Opcode::SlotAddr) {
      if (d.slot == slot_) reach(d.result, d.imm);
      return true;
    }
    if (!d.operand_count) return true;
    int64_t first = lowest(fn_.operand(i, 0));
    if (info(d.op).fields & kOffset && !is_call(d.op)) {
      if (first != kNoAddress) deepest_ = std::min(deepest_, first + d.offset);
      return true;
    }
    if (d.op == Opcode::Copy) {
      if (first != kNoAddress) reach(d.result, first);
      return true;
    }
    // Calls, comparisons and jumps make no address.
    if (!d.result || is_call(d.op) || clobbers_registers(d.op)) return true;
    int64_t second = d.operand_count > 1 ? lowest(fn_.operand(i, 1)) : kNoAddress;
    if (first == kNoAddress && second == kNoAddress) return true;
    if (d.width != Width::k64 || (d.op != Opcode::Add && d.op != Opcode::Sub)) return false;
    if (first != kNoAddress && second != kNoAddress) return d.op == Opcode::Sub;  // a distance
    if (d.op == Opcode::Sub && first == kNoAddress) return false;
    auto step = fn_.constant(fn_.operand(i, first == kNoAddress ? 0 : 1), Width::k64);
    if (!step) return false;
    int64_t by = static_cast<int64_t>(*step);
    if (by < -bpf::kStackSize || by > bpf::kStackSize) return false;
    reach(d.result, (first == kNoAddress ? second : first) + (d.op == Opcode::Sub ? -by : by));
    return true;
  }

  const Function& fn_;
  Slot slot_;
  std::vector<int64_t> lowest_;
  int64_t deepest_ = 0;
  bool changed_ = false;
};

}  // namespace

uint32_t frame_bytes(const Function& fn, Slot slot) {
  auto deepest = FrameDepth(fn, slot).run();
  if (!deepest || *deepest < -bpf::kStackSize) return bpf::kStackSize;
  return uint32_t(std::max<int64_t>(8, (-*deepest + 7) & ~int64_t{7}));
}

}  // namespace epass
