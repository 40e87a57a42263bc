#include "analysis/stack_addresses.h"

#include <algorithm>

#include "bpf/insn.h"

namespace epass {

StackAddresses::StackAddresses(const Function& fn, const Cfg& cfg) : fn_(fn) {
  // In reverse post-order a definition comes before its uses, so one walk follows every address.
  for (Block b : cfg.rpo) {
    for (Inst i : fn.insts_of(b)) {
      const InstData& d = fn.insts[i];
      if (d.op == Opcode::SlotAddr) {
        if (fn.slots[d.slot].place)
          reach(d.result, fn.slots[d.slot].place + d.imm);
        else
          complete_ = false;
      }
      for (size_t n = 0; n < d.operand_count; ++n) {
        const Value v = fn.operand(i, n);
        if (const auto at = offset(v)) use(i, v, *at);
      }
      for (uint32_t n = 0; n < d.edge_count; ++n)
        for (Value v : fn.args(fn.edge(i, n)))
          if (offset(fn.resolve(v))) complete_ = false;
      if (!complete_) return;
    }
  }
}

bool StackAddresses::escapes(int offset, int bytes) const { return !complete_ || offset + bytes > escaped_; }

int StackAddresses::word_of(Inst i) const {
  const InstData& d = fn_.insts[i];
  if ((d.op != Opcode::Load && d.op != Opcode::Store) || d.size != MemSize::kU64 || d.core != kNoCore)
    return -1;
  const auto base = offset(fn_.operand(i, 0));
  const int at = base ? *base + d.offset : 0;
  return at >= -bpf::kStackSize && at < 0 && at % 8 == 0 ? -at / 8 - 1 : -1;
}

uint64_t StackAddresses::private_words() const {
  if (!complete_) return 0;
  uint64_t used = 0, shared = 0;
  for (Block b : fn_.all_blocks()) {
    for (Inst i : fn_.insts_of(b)) {
      const InstData& d = fn_.insts[i];
      if (!(info(d.op).fields & kSize) || is_call(d.op)) continue;
      const auto base = offset(fn_.operand(i, 0));
      if (!base) continue;
      if (const int word = word_of(i); word >= 0) {
        used |= uint64_t{1} << word;
        continue;
      }
      const int from = *base + d.offset, to = from + int(bytes_of(d.size)) - 1;
      for (int at = std::max(from, -bpf::kStackSize); at <= std::min(to, -1); ++at)
        shared |= uint64_t{1} << ((-at - 1) / 8);
    }
  }
  for (int n = 0; n < bpf::kStackSize / 8; ++n)
    if (escapes(-8 * (n + 1), 8)) shared |= uint64_t{1} << n;
  return used & ~shared;
}

void StackAddresses::reach(Value v, int64_t offset) {
  if (offset < -bpf::kStackSize || offset > 0) {
    complete_ = false;
    return;
  }
  offsets_.at(v) = int16_t(offset);
}

void StackAddresses::use(Inst i, Value v, int offset) {
  const InstData& d = fn_.insts[i];
  const bool is_memory = info(d.op).fields & kSize;
  if (is_memory && !is_call(d.op)) {
    // As the base of an access it goes nowhere; as a value that is stored, anywhere.
    for (size_t n = 1; n < d.operand_count; ++n)
      if (fn_.operand(i, n) == v) complete_ = false;
    return;
  }
  if (d.op == Opcode::CallHelper || d.op == Opcode::CallKfunc) {
    // Code of the program that a helper calls back gets addresses, too, and may go down from them.
    for (size_t n = 0; n < d.operand_count; ++n) {
      const Inst def = fn_.def(fn_.source(fn_.operand(i, n)));
      if (def && fn_.insts[def].op == Opcode::Symbol && fn_.insts[def].pseudo == bpf::kFuncPtr)
        complete_ = false;
    }
    escape(offset);
    return;
  }
  if (d.op == Opcode::Copy) return reach(d.result, offset);
  if ((d.op == Opcode::Add || d.op == Opcode::Sub) && d.width == Width::k64) {
    const bool first = fn_.operand(i, 0) == v;
    const auto step = fn_.constant(fn_.operand(i, first ? 1 : 0), Width::k64);
    if (!step || (d.op == Opcode::Sub && !first))
      complete_ = false;
    else
      reach(d.result, d.op == Opcode::Add ? offset + int64_t(*step) : offset - int64_t(*step));
    return;
  }
  if (is_conditional(d.op)) return;  // a comparison tells nobody
  complete_ = false;
}

}  // namespace epass
