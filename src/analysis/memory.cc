#include "analysis/memory.h"

#include <algorithm>

#include "bpf/contracts.h"

namespace epass {
namespace {

constexpr uint8_t kTop = 255;  // not known yet, in find_regions

bool has_packet(const std::string& type) {
  return type == "xdp" || type == "sched_cls" || type == "sched_act" || type == "tc" || type == "tcx";
}

}  // namespace

MemoryModel::MemoryModel(const Function& fn, const Cfg& cfg, const Users& users, const StackAddresses& stack,
                         const Symbols& symbols)
    : fn_(fn), symbols_(symbols), stack_(stack) {
  find_regions(cfg, users);
}

Region MemoryModel::region_of_load(Inst i, const Users& users) const {
  const InstData& d = fn_.insts[i];
  // Only the entry's first parameter is the context; it is never assigned to in what compilers make.
  const Value context = fn_.source(fn_.operand(i, 0));
  if (!fn_.is_entry || d.size != MemSize::kU32 || fn_.def(context) ||
      fn_.values[context].block != fn_.entry())
    return Region::kUnknown;
  const bool xdp = fn_.type == "xdp";
  if (has_packet(fn_.type) && (xdp ? d.offset == 0 || d.offset == 4 || d.offset == 8
                                   : d.offset == 76 || d.offset == 80 || d.offset == 140))
    return Region::kPacket;
  // The only addresses among fields of 32 bits are those of the packet.
  return is_base(d.result, users, 0) ? Region::kPacket : Region::kUnknown;
}

// Whether `v`, or a sum of it with a constant, is the base of an access.
bool MemoryModel::is_base(Value v, const Users& users, int depth) const {
  for (Inst i : users.of(v)) {
    const InstData& d = fn_.insts[i];
    if ((info(d.op).fields & kOffset) && !is_call(d.op) && fn_.operand(i, 0) == v) return true;
    const bool sum =
        d.op == Opcode::Add && d.width == Width::k64 && fn_.constant(fn_.operand(i, 1), Width::k64);
    if ((sum || d.op == Opcode::Copy) && depth < 4 && is_base(d.result, users, depth + 1)) return true;
  }
  return false;
}

Region MemoryModel::region_of_result(Inst i, const Users& users) const {
  const InstData& d = fn_.insts[i];
  switch (d.op) {
    case Opcode::SlotAddr: return Region::kStack;
    case Opcode::Symbol:
      return symbols_[d.symbol].kind == bpf::Symbol::Kind::kData ? Region::kMapValue : Region::kUnknown;
    case Opcode::Load: return region_of_load(i, users);
    case Opcode::CallHelper: return bpf::gives_memory(int32_t(d.imm)) ? Region::kMapValue : Region::kUnknown;
    default: return Region::kUnknown;
  }
}

// Copies and arithmetic keep the kind of memory: the verifier refuses everything that would not.
void MemoryModel::find_regions(const Cfg& cfg, const Users& users) {
  std::vector<Value> work;
  SideTable<Value, uint8_t> found(fn_.values.size(), kTop);
  auto meet = [&](Value v, uint8_t region) {
    uint8_t& now = found.at(v);
    if (now == region || now == 0) return;
    now = now == kTop ? region : 0;
    work.push_back(v);
  };
  auto is_step = [&](const InstData& d) {
    return d.op == Opcode::Copy || ((d.op == Opcode::Add || d.op == Opcode::Sub) && d.width == Width::k64);
  };
  // A sum has the region of the operand that has one; two candidates are none. The difference of two pointers
  // is a number, so only what subtracts a constant stays an address.
  auto step = [&](Inst i) {
    const InstData& d = fn_.insts[i];
    if (d.op == Opcode::Sub && !fn_.constant(fn_.operand(i, 1), Width::k64)) return meet(d.result, 0);
    uint8_t region = kTop;
    bool waits = false;
    for (size_t n = 0; n < (d.op == Opcode::Sub ? 1 : d.operand_count); ++n) {
      const Value v = fn_.operand(i, n);
      const uint8_t of = found[v];
      if (of != kTop && of != 0) region = region == kTop ? of : 0;
      waits |= of == kTop && !fn_.is(v, Opcode::Const);
    }
    if (region != kTop || !waits) meet(d.result, region == kTop ? 0 : region);
  };
  for (Value v : fn_.params(fn_.entry()))
    meet(v, uint8_t(fn_.is_entry && v == fn_.params(fn_.entry())[0] ? Region::kContext : Region::kUnknown));
  for (Block b : cfg.rpo) {
    for (Inst i : fn_.insts_of(b)) {
      const InstData& d = fn_.insts[i];
      // A null pointer that joins others is never used as an address.
      if (d.result && !is_step(d) && d.op != Opcode::Const)
        meet(d.result, uint8_t(region_of_result(i, users)));
    }
  }
  while (!work.empty()) {
    const Value v = work.back();
    work.pop_back();
    for (Inst i : users.of(v)) {
      const InstData& d = fn_.insts[i];
      if (is_step(d)) step(i);
      for (uint32_t n = 0; n < d.edge_count; ++n) {
        const Edge e = fn_.edge(i, n);
        const auto params = fn_.params(fn_.edges[e].to);
        for (size_t k = 0; k < params.size(); ++k)
          if (fn_.resolve(fn_.args(e)[k]) == v) meet(params[k], found[v]);
      }
    }
  }
  for (uint32_t n = 0; n < fn_.values.size(); ++n)
    if (const uint8_t region = found[Value{n}]; region != kTop && region) regions_.at(Value{n}) = region;
}

Pointee MemoryModel::pointee(Value v) const {
  v = fn_.resolve(v);
  if (const auto offset = stack_.offset(v)) return {Region::kStack, {}, *offset};
  const auto region = Region(regions_[v]);
  int64_t offset = 0;
  // Chains of constant additions; their length is bounded so that a hostile one stays cheap.
  for (int steps = 0; steps < 16; ++steps) {
    const Inst i = fn_.def(v);
    if (!i) break;
    const InstData& d = fn_.insts[i];
    if (d.op == Opcode::Copy) {
      v = fn_.operand(i, 0);
      continue;
    }
    if ((d.op != Opcode::Add && d.op != Opcode::Sub) || d.width != Width::k64) break;
    const auto c = fn_.constant(fn_.operand(i, 1), Width::k64);
    if (!c || int64_t(*c) != int32_t(*c)) break;
    offset += d.op == Opcode::Add ? int64_t(*c) : -int64_t(*c);
    v = fn_.operand(i, 0);
  }
  return {region, v, offset};
}

Location MemoryModel::location(Inst i) const {
  const InstData& d = fn_.insts[i];
  Pointee at = pointee(fn_.operand(i, 0));
  at.offset += d.offset;
  return {at, bytes_of(d.size)};
}

bool MemoryModel::may_overlap(const Location& a, const Location& b) const {
  const Region x = a.at.region, y = b.at.region;
  if (a.at.root == b.at.root && (a.at.root || x == y)) return a.at.offset < b.end() && b.at.offset < a.end();
  if (x == Region::kStack && y == Region::kStack) return true;  // an offset that is not known
  auto reachable = [&](const Location& l) {
    return l.at.root || stack_.escapes(int(l.at.offset), int(l.bytes));
  };
  if (x == Region::kStack && y == Region::kUnknown) return reachable(a);
  if (y == Region::kStack && x == Region::kUnknown) return reachable(b);
  return x == y || x == Region::kUnknown || y == Region::kUnknown;
}

bool MemoryModel::may_read(Inst i, const Location& at) const {
  const InstData& d = fn_.insts[i];
  if (!(info(d.op).effects & kReads)) return false;
  if (d.op == Opcode::LdAbs || d.op == Opcode::LdInd) return at.at.region != Region::kStack;
  if (!is_call(d.op)) return d.core != kNoCore || may_overlap(location(i), at);
  const bool own = at.at.region == Region::kStack && !at.at.root;
  return !own || stack_.escapes(int(at.at.offset), int(at.bytes));
}

std::optional<Location> MemoryModel::plainly_written(Inst i) const {
  const InstData& d = fn_.insts[i];
  if (d.op != Opcode::Store || d.core != kNoCore) return {};
  return location(i);
}

bool MemoryModel::may_write(Inst i, const Location& at) const {
  const InstData& d = fn_.insts[i];
  if (!(info(d.op).effects & kWrites)) return false;
  if (!is_call(d.op)) {
    // The orders that the atomic forms give are for other CPUs: nothing moves over them.
    const auto written = plainly_written(i);
    return !written || may_overlap(*written, at);
  }
  const bool own = at.at.region == Region::kStack && !at.at.root;
  if (own && !stack_.escapes(int(at.at.offset), int(at.bytes))) return false;
  const bpf::Touch touch = d.op == Opcode::CallHelper ? bpf::touch_of(int32_t(d.imm)) : bpf::Touch::kAnything;
  if (touch == bpf::Touch::kNothing) return false;
  if (touch == bpf::Touch::kAnything) return true;
  const std::string_view kinds = bpf::helper(int32_t(d.imm))->args;
  for (size_t n = 0; n + 1 < kinds.size(); ++n) {
    if (kinds[n] != 'w') continue;
    const auto size = fn_.constant(fn_.operand(i, n + 1), Width::k32);
    const Location buffer{pointee(fn_.operand(i, n)), size && *size < 4096 ? uint32_t(*size) : 4096};
    if (may_overlap(buffer, at)) return true;
  }
  return false;
}

}  // namespace epass
