#include "analysis/analyses.h"

namespace epass {

void Analyses::control_flow_changed() {
  instructions_changed();
  cfg_.reset();
  dominators_.reset();
  loops_.reset();
}

void Analyses::instructions_changed() {
  frequencies_.reset();
  memory_.reset();
  stack_.reset();
  users_.reset();
}

bool Analyses::is_current() const {
  if (cfg_ && *cfg_ != Cfg(fn_)) return false;
  if (!dominators_) return true;
  const Dominators now(fn_);
  for (Block b : fn_.all_blocks())
    if (dominators_->reachable(b) != now.reachable(b) || dominators_->idom(b) != now.idom(b)) return false;
  return true;
}

}  // namespace epass
