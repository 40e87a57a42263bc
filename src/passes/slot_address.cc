#include "passes/slot_address.h"

namespace epass {

std::optional<InstData> slot_address(const Function& fn, Value v) {
  constexpr int kMostSteps = 8;
  int64_t offset = 0;
  for (int steps = 0; steps < kMostSteps; ++steps) {
    const Inst i = fn.def(fn.source(v));
    if (!i) return {};
    const InstData& d = fn.insts[i];
    if (d.op == Opcode::SlotAddr)
      return InstData{.op = Opcode::SlotAddr, .imm = d.imm + offset, .slot = d.slot};
    const auto c = d.op == Opcode::Add ? fn.constant(fn.operand(i, 1), Width::k64) : std::nullopt;
    if (!c || d.width != Width::k64 || int64_t(*c) != int16_t(*c)) return {};
    offset += int64_t(*c);
    v = fn.operand(i, 0);
  }
  return {};
}

}  // namespace epass
