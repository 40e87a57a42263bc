#pragma once
// Which instructions read each value: as an operand, or as an argument of one of their edges. A snapshot.

#include <span>
#include <vector>

#include "ir/function.h"

namespace epass {

class Users {
 public:
  explicit Users(const Function& fn);

  // False for values that were made later.
  bool know(Value v) const { return v.index + 1 < begin_.size(); }
  // In layout order; an instruction that reads the value twice is there twice. Replaced values have none.
  std::span<const Inst> of(Value v) const {
    return {users_.data() + begin_[v.index], begin_[v.index + 1] - begin_[v.index]};
  }

 private:
  std::vector<uint32_t> begin_;  // per value, where its users begin; one more entry for the end
  std::vector<Inst> users_;
};

}  // namespace epass
