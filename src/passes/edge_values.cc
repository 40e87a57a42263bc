// Takes a value along an edge in place of the constant that it is known to be there.
//
//     v0 = call bpf_map_lookup_elem#1(...)          v0 = call bpf_map_lookup_elem#1(...)
//     v1 = const 0                                  (for dce)
//     jeq v0, 0, b2(v1), b1                 =>      jeq v0, 0, b2(v0), b1
//
// The register that was compared is there anyway. Only where the verifier knows the constant, too: pointers
// that helpers return, or null, and numbers that cannot be pointers.

#include "bpf/contracts.h"
#include "pass/pass.h"

namespace epass {
namespace {

// Whether a helper returns a pointer to something, or null.
bool may_return_null(int64_t helper) {
  constexpr int64_t kListenerSock = 98, kSkcLookupTcp = 99;
  return bpf::gives_memory(int32_t(helper)) || helper == kListenerSock || helper == kSkcLookupTcp;
}

bool is_known_after_test(const Function& fn, Value v, uint64_t constant) {
  const Inst i = fn.def(v);
  if (!i) return false;
  const InstData& d = fn.insts[i];
  if (d.op == Opcode::CallHelper) return constant == 0 && may_return_null(d.imm);
  if (is_binary(d.op)) return d.width == Width::k32;
  return d.op == Opcode::Load && (d.size == MemSize::kU8 || d.size == MemSize::kU16);
}

}  // namespace

Result<Changed> edge_values(Function& fn, PassContext& context) {
  Changed changed = Changed::kNothing;
  for (Block b : fn.all_blocks()) {
    const Inst end = fn.terminator(b);
    const InstData& d = fn.insts[end];
    if ((d.op != Opcode::JumpEq && d.op != Opcode::JumpNe) || d.width != Width::k64) continue;
    const auto constant = fn.constant(fn.operand(end, 1), Width::k64);
    const Value tested = fn.source(fn.operand(end, 0));
    if (!constant || !is_known_after_test(fn, tested, *constant)) continue;
    const Edge e = fn.edge(end, d.op == Opcode::JumpEq ? 0 : 1);
    for (Value& arg : fn.args(e)) {
      if (fn.resolve(arg) == tested || fn.constant(arg, Width::k64) != constant) continue;
      arg = tested;
      context.count("edge-values.constants");
      changed = Changed::kInstructions;
    }
  }
  return changed;
}

}  // namespace epass
