#include "analysis/upper_bound.h"

#include <algorithm>

namespace epass {
namespace {

constexpr int kMostDepth = 4;

// What is loaded from the context may be an address that the verifier knows by its 32-bit field.
std::optional<uint64_t> loaded(const Function& fn, const MemoryModel& memory, Inst i) {
  switch (fn.insts[i].size) {
    case MemSize::kU8: return 0xff;
    case MemSize::kU16: return 0xffff;
    case MemSize::kU32: {
      const Region region = memory.location(i).at.region;
      if (region == Region::kUnknown || region == Region::kContext) return {};
      return 0xffffffff;
    }
    default: return {};
  }
}

}  // namespace

std::optional<uint64_t> upper_bound(const Function& fn, const Cfg& cfg, const MemoryModel& memory, Value v,
                                    int depth) {
  v = fn.source(v);
  if (depth > kMostDepth) return {};
  const Inst i = fn.def(v);
  if (!i) {
    const Block b = fn.values[v].block;
    if (b == fn.entry()) return {};
    const auto params = fn.params(b);
    const auto n = size_t(std::ranges::find(params, v) - params.begin());
    uint64_t most = 0;
    for (Edge e : cfg.incoming(b)) {
      const auto bound = upper_bound(fn, cfg, memory, fn.args(e)[n], depth + 1);
      if (!bound) return {};
      most = std::max(most, *bound);
    }
    return most;
  }
  const InstData& d = fn.insts[i];
  const auto c = is_binary(d.op) ? fn.constant(fn.operand(i, 1), d.width) : std::nullopt;
  const uint64_t all = d.width == Width::k32 ? 0xffffffff : UINT64_MAX;
  switch (d.op) {
    case Opcode::Const: return fn.constant(v, Width::k64);
    case Opcode::Load: return d.core == kNoCore ? loaded(fn, memory, i) : std::nullopt;
    case Opcode::And:
      if (c) return std::min(*c, all);
      break;
    case Opcode::LShr:
      if (c && *c < uint64_t(d.width)) return all >> *c;
      break;
    case Opcode::UMod:
      if (c && *c) return *c - 1;
      break;
    case Opcode::ZExt32:
    case Opcode::Le32:
    case Opcode::Be32:
    case Opcode::BSwap32: return 0xffffffff;
    case Opcode::Le16:
    case Opcode::Be16:
    case Opcode::BSwap16: return 0xffff;
    default: break;
  }
  const bool is_narrow = info(d.op).fields & kWidth && d.width == Width::k32;
  return is_narrow && is_binary(d.op) ? std::optional<uint64_t>(0xffffffff) : std::nullopt;
}

}  // namespace epass
