// Reads variables that never change while the program is compiled.
//
//     v1 = symbol ".rodata"+8
//     v2 = load.u32 v1+4            =>      v2 = const 7
//
// What `Symbol::frozen` holds is what the kernel will find there: whoever sets it promises that no loader
// writes to those variables.

#include <bit>
#include <cstring>

#include "ir/edit.h"
#include "ir/eval.h"
#include "pass/pass.h"

namespace epass {
namespace {

static_assert(std::endian::native == std::endian::little);

// `bytes` bytes at `offset` behind the symbol that `address` is.
std::optional<uint64_t> frozen_bytes(const Function& fn, const Symbols& symbols, Value address,
                                     int64_t offset, uint32_t bytes) {
  const Inst i = address ? fn.def(address) : Inst{};
  if (!i || fn.insts[i].op != Opcode::Symbol || !fn.insts[i].symbol || fn.insts[i].core != kNoCore) return {};
  const InstData& d = fn.insts[i];
  const bpf::Symbol& symbol = symbols[d.symbol];
  // The kernel's own form has the offset in the upper half.
  const int64_t at = offset + (d.pseudo == bpf::kMapValue ? d.imm >> 32 : d.imm);
  if (symbol.kind != bpf::Symbol::Kind::kData || at < 0 || at + bytes > int64_t(symbol.frozen.size()))
    return {};
  uint64_t value = 0;
  std::memcpy(&value, symbol.frozen.data() + at, bytes);
  return value;
}

uint64_t extended(uint64_t value, MemSize size) {
  switch (size) {
    case MemSize::kS8: return eval_unary(Opcode::SExt8, Width::k64, value);
    case MemSize::kS16: return eval_unary(Opcode::SExt16, Width::k64, value);
    case MemSize::kS32: return eval_unary(Opcode::SExt32, Width::k64, value);
    default: return value;
  }
}

}  // namespace

Result<Changed> rodata_const(Function& fn, PassContext& context) {
  const MemoryModel& memory = context.analyses.memory();
  Changed changed = Changed::kNothing;
  for (Inst i : fn.all_insts()) {
    const InstData& d = fn.insts[i];
    if (d.op != Opcode::Load || d.core != kNoCore) continue;
    const Location at = memory.location(i);
    const auto value = frozen_bytes(fn, context.symbols, at.at.root, at.at.offset, at.bytes);
    if (!value) continue;
    become_constant(fn, i, extended(*value, d.size));
    context.count("rodata-const.loads");
    changed = Changed::kInstructions;
  }
  return changed;
}

}  // namespace epass
