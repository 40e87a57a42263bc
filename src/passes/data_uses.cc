#include "passes/data_uses.h"

#include <algorithm>

namespace epass {

DataUses::DataUses(const Function& fn, const Cfg& cfg, const Users& users, const MemoryModel& memory)
    : fn_(fn), users_(users), memory_(memory) {
  for (Block b : cfg.rpo)
    for (Inst i : fn.insts_of(b))
      if (info(fn.insts[i].op).effects & kReads && !is_call(fn.insts[i].op)) loads_.push_back(i);
}

bool DataUses::is_written_only(Inst store) const {
  const Location at = memory_.location(store);
  if (at.at.region == Region::kUnknown && !memory_.stack().complete()) return false;
  return at.at.region != Region::kStack ||
         std::ranges::none_of(loads_, [&](Inst load) { return memory_.may_read(load, at); });
}

bool DataUses::ends_as_data(Value v, int depth) const {
  constexpr int kMostSteps = 5;
  if (depth > kMostSteps) return false;
  for (Inst i : users_.of(v)) {
    const InstData& d = fn_.insts[i];
    if (d.op == Opcode::Return) continue;
    if (d.op == Opcode::Store) {
      if (fn_.operand(i, 0) == v || !is_written_only(i)) return false;
    } else if (d.op == Opcode::Jump) {
      const auto args = fn_.args(fn_.edge(i, 0));
      for (size_t n = 0; n < args.size(); ++n)
        if (fn_.resolve(args[n]) == v && !ends_as_data(fn_.params(fn_.target(i, 0))[n], depth + 1))
          return false;
    } else if ((d.op != Opcode::Copy && !is_arithmetic(d.op)) || !ends_as_data(d.result, depth + 1)) {
      return false;
    }
  }
  return true;
}

}  // namespace epass
