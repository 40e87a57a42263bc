#include "bpf/verifier_work.h"

#include <vector>

namespace epass::bpf {
namespace {

// What the kernel asks for since the last kept state before it keeps another (is_state_visited).
constexpr uint64_t kJumpsBetweenStates = 2, kInsnsBetweenStates = 8;
constexpr uint64_t kMostOfRecords = 16;

// Where the verifier looks for a known state: at conditional jumps and at the targets of all jumps.
std::vector<bool> find_prune_points(std::span<const Insn> insns) {
  std::vector<bool> points(insns.size());
  for (uint32_t n = 0; n < insns.size(); n += records(insns[n])) {
    const uint8_t code = insns[n].code;
    const bool is_conditional = is_conditional_jump(code);
    if (!is_conditional && !is_unconditional_jump(code)) continue;
    if (is_conditional) points[n] = true;
    const int64_t to = jump_target(insns[n], n);
    if (to >= 0 && to < int64_t(insns.size())) points[size_t(to)] = true;
  }
  return points;
}

}  // namespace

uint64_t verifier_work(std::span<const Insn> insns) {
  const std::vector<bool> is_point = find_prune_points(insns);
  const uint64_t most = kMostOfRecords * insns.size();
  std::vector<bool> is_kept(insns.size());
  std::vector<uint32_t> others = {0};  // ways still to be walked, the next one last
  uint64_t walked = 0, jumps = 0, walked_at_state = 0, jumps_at_state = 0;
  while (!others.empty()) {
    uint32_t at = others.back();
    others.pop_back();
    while (at < insns.size()) {
      if (++walked > most) return most;
      if (is_point[at]) {
        if (is_kept[at]) break;
        if (jumps - jumps_at_state >= kJumpsBetweenStates &&
            walked - walked_at_state >= kInsnsBetweenStates) {
          is_kept[at] = true;
          walked_at_state = walked;
          jumps_at_state = jumps;
        }
      }
      const Insn insn = insns[at];
      jumps += is_jmp(insn.code);
      if (insn.code == kCodeExit || insn.code == kCodeGotox) break;
      const int64_t to = jump_target(insn, at);
      if (is_conditional_jump(insn.code) && to >= 0) others.push_back(uint32_t(to));
      at = is_unconditional_jump(insn.code) && to >= 0 ? uint32_t(to) : at + records(insn);
    }
  }
  return walked;
}

}  // namespace epass::bpf
