#include "analysis/stack_addresses.h"

#include <algorithm>

#include "bpf/insn.h"

namespace epass {

StackAddresses::StackAddresses(const Function& fn, const Cfg& cfg) : fn_(fn) {
  // In reverse post-order a definition comes before its uses, so one walk follows every address; more where
  // parameters carry them.
  constexpr int kMostWalks = 16;
  again_ = true;
  for (int walk = 0; again_ && complete_; ++walk) {
    again_ = false;
    for (Block b : cfg.rpo)
      if (complete_) visit(b);
    if (walk == kMostWalks) complete_ = false;
  }
}

void StackAddresses::visit(Block b) {
  for (Inst i : fn_.insts_of(b)) {
    const InstData& d = fn_.insts[i];
    if (d.op == Opcode::SlotAddr) {
      if (fn_.slots[d.slot].place)
        reach(d.result, fn_.slots[d.slot].place + d.imm);
      else
        complete_ = false;
    }
    for (size_t n = 0; n < d.operand_count; ++n) {
      const Value v = fn_.operand(i, n);
      if (const auto at = offset(v))
        use(i, v, *at, true);
      else if (lowest_[v] != kNone)
        use(i, v, lowest_[v], false);
    }
    for (uint32_t n = 0; n < d.edge_count; ++n) {
      const Edge e = fn_.edge(i, n);
      for (size_t k = 0; k < fn_.args(e).size(); ++k) {
        const Value v = fn_.resolve(fn_.args(e)[k]);
        const int16_t at = offset(v) ? offsets_[v] : lowest_[v];
        if (at != kNone) reach(fn_.params(fn_.edges[e].to)[k], at, false);
      }
    }
  }
}

bool StackAddresses::escapes(int offset, int bytes) const { return !complete_ || offset + bytes > escaped_; }

int StackAddresses::word_of(Inst i) const {
  const InstData& d = fn_.insts[i];
  const bool whole = d.size == MemSize::kU64 || d.size == MemSize::kU32;
  if ((d.op != Opcode::Load && d.op != Opcode::Store) || !whole || d.core != kNoCore) return -1;
  const auto base = offset(fn_.operand(i, 0));
  const int at = base ? *base + d.offset : 0;
  return at >= -bpf::kStackSize && at < 0 && at % 8 == 0 ? -at / 8 - 1 : -1;
}

uint64_t StackAddresses::private_words() const {
  if (!complete_) return 0;
  uint64_t used[2] = {}, shared = 0;  // as 8 bytes, as 4
  for (Block b : fn_.all_blocks()) {
    for (Inst i : fn_.insts_of(b)) {
      const InstData& d = fn_.insts[i];
      if (!(info(d.op).fields & kSize) || is_call(d.op)) continue;
      const auto base = offset(fn_.operand(i, 0));
      if (!base) continue;
      if (const int word = word_of(i); word >= 0) {
        used[d.size == MemSize::kU32] |= uint64_t{1} << word;
        continue;
      }
      const int from = *base + d.offset, to = from + int(bytes_of(d.size)) - 1;
      for (int at = std::max(from, -bpf::kStackSize); at <= std::min(to, -1); ++at)
        shared |= uint64_t{1} << ((-at - 1) / 8);
    }
  }
  for (int n = 0; n < bpf::kStackSize / 8; ++n)
    if (escapes(-8 * (n + 1), 8)) shared |= uint64_t{1} << n;
  return (used[0] ^ used[1]) & ~shared;
}

void StackAddresses::reach(Value v, int64_t offset, bool exact) {
  if (offset < -bpf::kStackSize || offset > 0) {
    complete_ = false;
    return;
  }
  int16_t& known = (exact ? offsets_ : lowest_).at(v);
  if (!exact && known <= offset) return;
  again_ |= !exact;
  known = int16_t(offset);
}

void StackAddresses::use(Inst i, Value v, int offset, bool exact) {
  const InstData& d = fn_.insts[i];
  const bool is_memory = info(d.op).fields & kSize;
  if (is_memory && !is_call(d.op)) {
    // As the base of an access it goes nowhere; as a value that is stored, anywhere.
    for (size_t n = 1; n < d.operand_count; ++n)
      if (fn_.operand(i, n) == v) complete_ = false;
    if (!exact) escape(offset + d.offset);
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
  if (d.op == Opcode::Copy) return reach(d.result, offset, exact);
  if ((d.op == Opcode::Add || d.op == Opcode::Sub) && d.width == Width::k64) {
    const bool first = fn_.operand(i, 0) == v;
    const auto step = fn_.constant(fn_.operand(i, first ? 1 : 0), Width::k64);
    if (!step || (d.op == Opcode::Sub && !first)) {
      complete_ = false;
      return;
    }
    const auto from = uint64_t(int64_t{offset});
    reach(d.result, int64_t(d.op == Opcode::Add ? from + *step : from - *step), exact);
    return;
  }
  if (is_conditional(d.op)) return;  // a comparison tells nobody
  complete_ = false;
}

}  // namespace epass
