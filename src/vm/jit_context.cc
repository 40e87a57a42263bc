// What registers hold, as far as it makes code shorter: where a load of 4 bytes may read a packet pointer out
// of the context, and where an address was made from r10.
#if defined(__x86_64__)

#include "vm/jit_compiler.h"
#include "vm/op_facts.h"

namespace epass::vm {

namespace {

constexpr uint32_t kArguments = 0x3e, kFrame = 1u << bpf::kFrameRegister;

bool adds(OpCode code) {
  return code == OpCode::kAdd64K || code == OpCode::kAdd64X || code == OpCode::kSub64K ||
         code == OpCode::kSub64X;
}

}  // namespace

void JitCompiler::find_contents(uint32_t n) {
  const Executable::Function& fn = executable_.function(n);
  const uint32_t end = fn.begin + fn.size;
  // Functions may leave the context in frames of each other.
  bool spilled = executable_.functions().size() > 1, computed = false;
  for (uint32_t i = fn.begin; i < end; ++i) computed = computed || ops_[i].code == OpCode::kGotox;
  contents_.assign(fn.size + 1, computed ? Contents{0x7ff, kFrame} : Contents{0, 0x7ff});
  if (computed) return;
  contents_[0] = {n == 0 ? 2 : kArguments, kFrame};
  // The context: on some path. The frame: on all of them.
  for (bool changed = true; changed;) {
    const bool spilled_before = spilled;
    changed = false;
    auto arrive = [&](uint32_t at, Contents state, bool is_behind) {
      Contents& there = contents_[at - fn.begin];
      const Contents joined{there.context | state.context, there.frame & state.frame};
      if (joined.context == there.context && joined.frame == there.frame) return;
      there = joined;
      changed = changed || is_behind;
    };
    for (uint32_t i = fn.begin; i < end;) {
      const Op& op = ops_[i];
      Contents state = contents_[i - fn.begin];
      const uint32_t d = 1u << op.dst, kept = ~changed_by(op);
      if (op.code == OpCode::kStoreX8) spilled = spilled || state.context >> op.src & 1;
      const bool to_context =
          op.code == OpCode::kMov64X ? state.context >> op.src & 1 : op.code == OpCode::kLoad8 && spilled;
      const bool to_frame =
          op.code == OpCode::kMov64X ? state.frame >> op.src & 1 : adds(op.code) && state.frame & d;
      uint32_t contexts = to_context ? d : 0;
      if (op.code == OpCode::kAtomic && spilled) contexts |= changed_by(op);
      // Functions may return it.
      if (op.code == OpCode::kCallFunction || op.code == OpCode::kCallRegister) contexts |= 1;
      state.context = (state.context & kept) | contexts;
      state.frame = (state.frame & kept) | (to_frame ? d : 0);
      const uint32_t next = next_of(i);
      if (is_jump(op.code)) arrive(op.target, state, op.target <= i);
      if (op.code != OpCode::kJa && op.code != OpCode::kExit && op.code != OpCode::kFault)
        arrive(next, state, false);
      i = next;
    }
    changed = changed || spilled != spilled_before;
  }
}

bool JitCompiler::may_be_context(uint32_t op, int reg) const {
  return contents_[op - executable_.function(function_).begin].context >> reg & 1;
}

bool JitCompiler::is_frame_address(uint32_t op, int reg) const {
  return contents_[op - executable_.function(function_).begin].frame >> reg & 1;
}

}  // namespace epass::vm
#endif
