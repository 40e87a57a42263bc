#pragma once
// Mends a function after blocks were copied: a value that now has several definitions gets parameters where
// they meet, and each use the right one.

#include <span>

#include "analysis/cfg.h"
#include "analysis/users.h"
#include "ir/dominators.h"
#include "ir/function.h"

namespace epass {

// What stands for a value at the end of `block`.
struct Definition {
  Block block = {};
  Value value = {};
};

class SsaRepair {
 public:
  // Of the function as it is after copying. Uses that are not dominated by the definition are what it mends.
  explicit SsaRepair(Function& fn) : fn_(fn), cfg_(fn), dominators_(fn), users_(fn) {}

  // Uses of `v`, which `home` defines, get what reaches them: `v` itself, or one of `others`.
  void mend(Value v, Block home, std::span<const Definition> others);

 private:
  Value at_end(Block b);
  Value at_begin(Block b);
  // Whether only the original definition reaches `b`.
  bool has_own(Block b) const { return home_ && dominators_.dominates(home_, b); }

  Function& fn_;
  Cfg cfg_;
  Dominators dominators_;
  Users users_;

  // Of the value that is being mended.
  Value value_ = {};
  Block home_ = {};  // its block, if that dominates no other definition
  SideTable<Block, Value> ends_, begins_;
  std::vector<Block> params_;  // blocks with a new parameter whose arguments are missing
};

}  // namespace epass
