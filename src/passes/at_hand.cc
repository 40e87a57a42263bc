#include "passes/at_hand.h"

#include <algorithm>

#include "passes/over_edge.h"

namespace epass {

Value find(const Function& fn, const AtHand& in, const Location& at, MemSize size, Value wanted) {
  for (const Stored& s : in.memory.all())
    if (s.at == at && s.size == size && (!wanted || fn.resolve(s.value) == fn.resolve(wanted)))
      return fn.resolve(s.value);
  return {};
}

Value find_over_edge(const Function& fn, const MemoryModel& memory, const Congruence& same, const AtHand& in,
                     Inst i, Edge e) {
  if (fn.insts[i].op == Opcode::Load)
    return find(fn, in, location_over_edge(fn, memory, i, e), fn.insts[i].size);
  const auto it = in.values.find(number_over_edge(fn, same, i, e));
  return it == in.values.end() ? Value{} : fn.resolve(it->second);
}

bool is_entered_again(const Cfg& cfg, Block b) {
  return std::ranges::any_of(cfg.incoming(b),
                             [&](Edge e) { return cfg.number(cfg.source(e)) >= cfg.number(b); });
}

AtHand meet(const Function& fn, const Cfg& cfg, const std::vector<AtHand>& at_end, Block b) {
  const auto incoming = cfg.incoming(b);
  if (b == fn.entry() || is_entered_again(cfg, b)) return {};
  AtHand all = at_end[cfg.number(cfg.source(incoming[0]))];
  for (Edge e : incoming.subspan(1)) {
    const AtHand& other = at_end[cfg.number(cfg.source(e))];
    std::erase_if(all.values, [&](const auto& known) {
      const auto it = other.values.find(known.first);
      return it == other.values.end() || fn.resolve(it->second) != fn.resolve(known.second);
    });
    all.memory.forget([&](const Stored& s) { return !find(fn, other, s.at, s.size, s.value); });
  }
  return all;
}

}  // namespace epass
