#include "passes/join_params.h"

namespace epass {

std::vector<Value> join_params(Function& fn, const Cfg& cfg, const Congruence& same) {
  std::vector<Value> stayed;
  for (Block b : cfg.rpo) {
    if (b == fn.entry()) continue;
    std::unordered_map<uint32_t, Value> first;
    for (Value v : fn.params(b)) first.try_emplace(same.number(v), v);
    for (uint32_t n = uint32_t(fn.params(b).size()); n-- > 0;) {
      const Value other = fn.params(b)[n], one = first[same.number(other)];
      if (one == other || same.number(other) == Congruence::kNone) continue;
      fn.replace(other, one);
      fn.remove_param(b, n, cfg.incoming(b));
      stayed.push_back(one);
    }
  }
  return stayed;
}

}  // namespace epass
