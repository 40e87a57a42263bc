#include "passes/frame_uses.h"

#include <algorithm>

#include "bpf/contracts.h"

namespace epass {
namespace {

// What a helper does to what argument `n` points to; no bytes if that is not known.
FrameUse of_argument(const Function& fn, Inst call, size_t n, int offset) {
  FrameUse use{.inst = call, .operand = n, .offset = offset};
  const bpf::HelperContract* contract = bpf::helper(int32_t(fn.insts[call].imm));
  if (!contract || n + 1 >= contract->args.size()) return use;
  const char kind = contract->args[n];
  const auto size = fn.constant(fn.operand(call, n + 1), Width::k32);
  if ((kind != 'r' && kind != 'w') || !size || *size == 0 || int64_t(*size) > -offset) return use;
  use.bytes = int(*size);
  use.is_written = kind == 'w' && bpf::fills_buffer(int32_t(fn.insts[call].imm));
  use.is_read = !use.is_written;
  return use;
}

Words from(int offset) { return offset >= 0 ? 0 : ~Words{0} >> (64 - (-offset + 7) / 8); }

class Finder {
 public:
  Finder(const Function& fn, const StackAddresses& stack) : fn_(fn), stack_(stack) {}

  bool visit(Inst i) {
    const InstData& d = fn_.insts[i];
    for (size_t n = 0; n < d.operand_count; ++n)
      if (const auto at = stack_.offset(fn_.operand(i, n)); at && !use(i, n, *at)) return false;
    for (uint32_t n = 0; n < d.edge_count; ++n)
      for (Value v : fn_.args(fn_.edge(i, n)))
        if (stack_.offset(fn_.resolve(v))) return false;
    return true;
  }

  FrameUses uses = {};

 private:
  bool use(Inst i, size_t n, int offset) {
    const InstData& d = fn_.insts[i];
    if (d.op == Opcode::Copy || d.op == Opcode::Add || d.op == Opcode::Sub) return true;
    if (d.op == Opcode::CallHelper) {
      const FrameUse found = of_argument(fn_, i, n, offset);
      if (found.bytes == 0)
        uses.fixed |= from(offset);
      else
        uses.list.push_back(found);
      return true;
    }
    if (n != 0 || d.core != kNoCore || (d.op != Opcode::Load && d.op != Opcode::Store)) return false;
    const FrameUse found{
        i, 0, offset + d.offset, int(bytes_of(d.size)), d.op == Opcode::Load, d.op == Opcode::Store};
    if (found.offset < -bpf::kStackSize || found.offset + found.bytes > 0) return false;
    uses.list.push_back(found);
    return true;
  }

  const Function& fn_;
  const StackAddresses& stack_;
};

}  // namespace

Words FrameUse::words() const { return from(offset) & ~from((offset + bytes + 7) & ~7); }

FrameBytes FrameUse::mask() const {
  FrameBytes mask;
  for (int at = offset; at < offset + bytes; ++at) mask.set(size_t(-at - 1));
  return mask;
}

std::optional<FrameUses> find_frame_uses(const Function& fn, const Cfg& cfg, const StackAddresses& stack) {
  if (!stack.complete()) return {};
  Finder finder(fn, stack);
  for (Block b : cfg.rpo)
    for (Inst i : fn.insts_of(b))
      if (!finder.visit(i)) return {};
  for (uint32_t n = 0; n < fn.values.size(); ++n)
    if (const Home home = fn.values[Value{n}].home; home.is_stack())
      finder.uses.fixed |= Words{1} << (-home.code - 1) / 8;
  return std::move(finder.uses);
}

}  // namespace epass
