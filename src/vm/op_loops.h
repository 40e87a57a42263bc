#pragma once
// Loops of a decoded function, and what their rounds add to registers.

#include <vector>

#include "vm/op_facts.h"

namespace epass::vm {

// One function; operations count from its first.
class Flow {
 public:
  Flow(const Executable& executable, uint32_t function)
      : fn_(executable.function(function)), ops_(executable.ops().data() + fn_.begin) {}
  uint32_t size() const { return fn_.size; }
  const Op& op(uint32_t i) const { return ops_[i]; }
  uint32_t target(uint32_t i) const { return ops_[i].target - fn_.begin; }
  // visit(operation, whether a jump was taken there)
  template <class Visit>
  void each_successor(uint32_t i, Visit visit) const {
    if (is_jump(ops_[i].code) && target(i) < size()) visit(target(i), true);
    const uint32_t next = next_of(ops_[i], i);
    if (goes_on(ops_[i].code) && next < size()) visit(next, false);
  }
  // Marks what control may come to from there, `from` included, without coming to `avoided`.
  std::vector<uint8_t> reach(uint32_t from, uint32_t avoided) const;

 private:
  const Executable::Function& fn_;
  const Op* ops_;
};

// A register to which each round adds `add`, once or, unless `always`, not at all.
struct LoopStep {
  uint32_t reg = 0;
  int64_t add = 0;
  bool always = false;
};

struct OpLoop {
  uint32_t head = 0;
  std::vector<uint8_t> back = {};  // marks the operations that lead to the next round
  std::vector<LoopStep> steps = {};
};

// The loop that is entered at its head only. Without steps if there is none.
OpLoop loop_at(const Flow& flow, uint32_t head);

}  // namespace epass::vm
