#pragma once
// Which values are always equal, by what computes them. A snapshot.

#include <span>
#include <unordered_map>
#include <vector>

#include "analysis/cfg.h"

namespace epass {

// Optimistic: parameters count as equal until an edge tells them apart, so two counters that run in step
// around a loop are one number (Simpson: "Value-driven redundancy elimination").
class Congruence {
 public:
  static constexpr uint32_t kNone = 0;

  Congruence(const Function& fn, const Cfg& cfg);

  // Where a value of some number dominates another of it, both are equal. kNone: nothing is known.
  uint32_t number(Value v) const { return numbers_[fn_.resolve(v)]; }
  // The number of what `i` would make of operands with these numbers.
  uint32_t number_with(Inst i, std::span<const uint32_t> operands) const;

 private:
  using Key = std::vector<uint32_t>;
  struct Hash {
    size_t operator()(const Key& key) const;
  };

  uint32_t find(Block b, size_t n);
  uint32_t find(Inst i);
  Key key_of(Inst i, std::span<const uint32_t> operands) const;

  const Function& fn_;
  const Cfg& cfg_;
  SideTable<Value, uint32_t> numbers_ = SideTable<Value, uint32_t>(kNone);
  std::unordered_map<Key, uint32_t, Hash> table_;
};

}  // namespace epass
