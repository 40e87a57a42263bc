#include "analysis/users.h"

namespace epass {

Users::Users(const Function& fn) : begin_(fn.values.size() + 1, 0) {
  auto each_use = [&](auto visit) {
    for (Block b : fn.all_blocks()) {
      for (Inst i : fn.insts_of(b)) {
        for (Value v : fn.operands(i)) visit(fn.resolve(v), i);
        for (uint32_t n = 0; n < fn.insts[i].edge_count; ++n)
          for (Value v : fn.args(fn.edge(i, n))) visit(fn.resolve(v), i);
      }
    }
  };
  // Count, sum up, place.
  uint32_t total = 0;
  each_use([&](Value v, Inst) { ++begin_[v.index]; });
  for (uint32_t& entry : begin_) {
    const uint32_t count = entry;
    entry = total;
    total += count;
  }
  users_.resize(total);
  std::vector<uint32_t> next(begin_.begin(), begin_.end() - 1);
  each_use([&](Value v, Inst i) { users_[next[v.index]++] = i; });
}

}  // namespace epass
