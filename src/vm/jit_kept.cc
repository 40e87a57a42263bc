// Registers of the processor that a function has to spare hold what the checks of its loops compare with.
#if defined(__x86_64__)

#include <algorithm>

#include "vm/frame_accesses.h"
#include "vm/jit_compiler.h"
#include "vm/op_facts.h"

namespace epass::vm {

namespace {

// Registers that an operation reads or writes, as a mask; too many rather than too few.
uint32_t used_by(const Op& op) {
  uint32_t used = 1u << op.dst | 1u << op.src;
  if (op.code == OpCode::kAtomic || op.code == OpCode::kExit) used |= 1u;
  if (op.code == OpCode::kPacketAbs || op.code == OpCode::kPacketInd) used |= 1u | 1u << 6;
  return used;
}

}  // namespace

// A function that calls nothing has every register to itself that it does not name: two for each place in a
// loop, the innermost first. r10 is there for addresses of the frame, unless a jump through a register needs
// it.
void JitCompiler::find_kept(uint32_t n) {
  const Executable::Function& fn = executable_.function(n);
  kept_.clear();
  keeps_frame_ = false;
  if (!checked_) return;
  bool calls = false, computed = false;
  uint32_t used = 0;
  for (uint32_t i = fn.begin; i < fn.begin + fn.size; ++i) {
    const Op& op = ops_[i];
    used |= used_by(op);
    calls = calls || (op.code >= OpCode::kCallFunction && op.code <= OpCode::kCallRegister);
    computed = computed || op.code == OpCode::kGotox;
  }
  std::vector<std::pair<int32_t, uint32_t>> places;  // less the number of loops around it, operation
  for (uint32_t i = fn.begin; i < fn.begin + fn.size; ++i) {
    const Op& op = ops_[i];
    if (!is_access(op.code) || !depths_[i]) continue;
    const int base = is_store(op.code) ? op.dst : op.src;
    if (!is_frame_address(i, base))
      places.emplace_back(-depths_[i], i);
    else if (base != bpf::kFrameRegister && !stays_in_frame(i))
      keeps_frame_ = !computed;
  }
  if (calls) return;
  std::ranges::sort(places);
  std::vector<int> spare;
  for (int r = 9; r >= 1; --r)
    if (!(used >> r & 1)) spare.push_back(r);
  for (size_t k = 0; k < places.size() && 2 * k + 1 < spare.size(); ++k) {
    kept_[places[k].second] = {nullptr, spare[2 * k], spare[2 * k + 1]};
    saved_ |= 1u << spare[2 * k] | 1u << spare[2 * k + 1];
  }
}

// Only asked about accesses in loops: elsewhere a check costs less than to find out.
bool JitCompiler::stays_in_frame(uint32_t i) {
  if (!depths_[i]) return false;
  auto [known, is_new] = plan_.in_frame.try_emplace(function_);
  if (is_new) known->second = accesses_in_frame(executable_, function_);
  const uint32_t n = i - executable_.function(function_).begin;
  return n < known->second.size() && known->second[n];
}

// Wherever the function is entered, and behind all that may have changed them.
void JitCompiler::load_kept() {
  load_kept_frame();
  for (auto& [op, kept] : kept_) {
    if (!kept.site) kept.site = new_site(op);
    mov(reg(kept.negative), at(kept.site->base));
    neg(reg(kept.negative));
    mov(reg(kept.distance), at(kept.site->distance));
  }
}

// From an address, to its offset in the frame.
void JitCompiler::load_kept_frame() {
  if (!keeps_frame_) return;
  mov(r10d, uint32_t(bpf::kStackSize));
  sub(r10, rbp);
}

JitSite* JitCompiler::new_site(uint32_t i) {
  jit_.site_of_[i] = next_site_;
  return data_.site(next_site_++);
}

}  // namespace epass::vm
#endif
