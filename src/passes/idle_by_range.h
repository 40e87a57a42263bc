#pragma once
// What the ranges of their operands make idle: questions for range-prop.

#include <optional>

#include "analysis/ranges.h"

namespace epass {

class IdleByRange {
 public:
  // Refers to both. An instruction is asked about in a block that is reached.
  IdleByRange(const Function& fn, const Ranges& ranges) : fn_(fn), ranges_(ranges) {}

  // Which way a conditional jump always goes.
  std::optional<bool> way(Inst end) const;
  // The operand that is the result, too; with shifts there and back, what was shifted.
  Value operand(Inst i) const;
  // For a mask that is no immediate: one that is, with bits more that are clear anyway.
  std::optional<int64_t> mask(Inst i) const;
  // What an extension of the sign in two records extends, where there is none.
  Value without_sign(Inst i) const;

 private:
  Scalar range(Value v, Inst i) const { return ranges_.at(v, fn_.insts[i].block); }
  Scalar range(Inst i, size_t n) const { return range(fn_.operand(i, n), i); }
  Value shifted_left(Inst i) const;

  const Function& fn_;
  const Ranges& ranges_;
};

}  // namespace epass
