#include "analysis/loops.h"

#include <algorithm>

#include "bpf/contracts.h"

namespace epass {

Loops::Loops(const Function& fn, const Cfg& cfg, const Dominators& dominators) {
  for (Block b : cfg.rpo) {
    auto is_back = [&](Edge e) { return dominators.dominates(b, cfg.source(e)); };
    if (std::ranges::any_of(cfg.incoming(b), is_back)) all.push_back({.header = b});
  }
  find_blocks(cfg, dominators);
  number_tree();
  for (Block b : cfg.rpo) {
    if (innermost(b) == kNone || all[innermost(b)].has_calls) continue;
    for (Inst i : fn.insts_of(b)) all[innermost(b)].has_calls |= is_call(fn.insts[i].op);
  }
  for (size_t k = all.size(); k-- > 0;)
    if (all[k].has_calls && all[k].parent != kNone) all[all[k].parent].has_calls = true;
}

// Inner loops first, backwards from where they close; a loop that is known already is stepped over as a
// whole.
void Loops::find_blocks(const Cfg& cfg, const Dominators& dominators) {
  std::vector<uint32_t> outermost(all.size());  // so far, with paths cut short
  for (uint32_t k = 0; k < all.size(); ++k) outermost[k] = k;
  auto find = [&](uint32_t k) {
    while (outermost[k] != k) k = outermost[k] = outermost[outermost[k]];
    return k;
  };
  std::vector<Block> work;
  for (uint32_t k = uint32_t(all.size()); k-- > 0;) {
    const Block header = all[k].header;
    for (Edge e : cfg.incoming(header))
      if (dominators.dominates(header, cfg.source(e))) work.push_back(cfg.source(e));
    if (innermost_[header] == kNone) innermost_.at(header) = k;
    while (!work.empty()) {
      Block b = work.back();
      work.pop_back();
      if (innermost_[b] == kNone) {
        innermost_.at(b) = k;
      } else {
        const uint32_t inner = find(innermost_[b]);
        if (inner == k) continue;
        all[inner].parent = outermost[inner] = k;
        b = all[inner].header;
      }
      for (Edge e : cfg.incoming(b)) work.push_back(cfg.source(e));
    }
  }
}

void Loops::number_tree() {
  place_.assign(all.size(), 0), size_.assign(all.size(), 1);
  for (size_t k = all.size(); k-- > 0;)
    if (all[k].parent != kNone) size_[all[k].parent] += size_[k];
  std::vector<uint32_t> next(all.size());
  uint32_t next_root = 0;
  for (size_t k = 0; k < all.size(); ++k) {
    const uint32_t parent = all[k].parent;
    uint32_t& at = parent == kNone ? next_root : next[parent];
    place_[k] = at, at += size_[k], next[k] = place_[k] + 1;
    if (parent != kNone) all[k].depth = all[parent].depth + 1;
  }
}

Frequencies::Frequencies(const Function& fn, const Cfg& cfg, const Loops& loops) : fn_(fn), loops_(loops) {
  constexpr double kMost = 1e12;
  for (Block b : cfg.rpo)
    if (const Inst end = fn.terminator(b); fn.insts[end].edge_count == 2) first_.at(b) = guess(b);
  for (Block b : cfg.rpo) {
    double sum = b == fn.entry() ? 1 : 0;
    for (Edge e : cfg.incoming(b)) {
      const Block from = cfg.source(e);
      if (cfg.number(from) >= cfg.number(b)) continue;  // the rounds of a loop are counted at its header
      sum += of_[from] * probability(from, e.index - fn.insts[fn.terminator(from)].first_edge.index);
    }
    const uint32_t loop = loops.innermost(b);
    if (loop != Loops::kNone && loops.all[loop].header == b) sum *= kRounds;
    of_.at(b) = std::min(sum, kMost);
  }
}

double Frequencies::probability(Block b, uint32_t n) const {
  const uint32_t edges = fn_.insts[fn_.terminator(b)].edge_count;
  if (edges != 2) return 1.0 / std::max(1u, edges);
  return n ? 1 - first_[b] : first_[b];
}

// Whether the program ends there after next to nothing.
bool Frequencies::ends_soon(Block b) const {
  constexpr int kBlocks = 3, kInsts = 6;
  for (int blocks = 0, insts = 0; blocks < kBlocks; ++blocks) {
    for (Inst i : fn_.insts_of(b))
      if (is_call(fn_.insts[i].op) || ++insts > kInsts) return false;
    const Inst end = fn_.terminator(b);
    if (fn_.insts[end].op == Opcode::Return) return true;
    if (fn_.insts[end].op != Opcode::Jump) return false;
    b = fn_.target(end, 0);
  }
  return false;
}

double Frequencies::guess(Block b) const {
  constexpr double kRare = 0.2;
  const Inst end = fn_.terminator(b);
  const InstData& d = fn_.insts[end];
  const Block to[] = {fn_.target(end, 0), fn_.target(end, 1)};
  auto never = [&](int n) { return fn_.insts[fn_.terminator(to[n])].op == Opcode::Unreachable; };
  if (never(0) != never(1)) return never(0) ? 0 : 1;
  if (const uint32_t loop = loops_.innermost(b); loop != Loops::kNone) {
    const bool stays[] = {loops_.contains(loop, to[0]), loops_.contains(loop, to[1])};
    if (stays[0] != stays[1]) return stays[0] ? 1 - 1 / kRounds : 1 / kRounds;
  }
  if (ends_soon(to[0]) != ends_soon(to[1])) return ends_soon(to[0]) ? kRare : 1 - kRare;
  if (d.operand_count != 2 || fn_.constant(fn_.operand(end, 1), d.width) != std::optional<uint64_t>(0))
    return 0.5;
  // Results of calls: a null pointer and an error are the exception, but 0 is what helpers return that did
  // their work.
  const Inst call = fn_.def(fn_.operand(end, 0));
  if (!call || !is_call(fn_.insts[call].op)) return 0.5;
  if (d.op == Opcode::JumpSlt) return kRare;
  if (d.op == Opcode::JumpSge) return 1 - kRare;
  if (fn_.insts[call].op != Opcode::CallHelper || (d.op != Opcode::JumpEq && d.op != Opcode::JumpNe))
    return 0.5;
  const bool zero_is_rare = bpf::gives_memory(int32_t(fn_.insts[call].imm));
  return (d.op == Opcode::JumpEq) == zero_is_rare ? kRare : 1 - kRare;
}

}  // namespace epass
