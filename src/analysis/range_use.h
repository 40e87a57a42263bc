#pragma once
// Where it matters what range the verifier knows a number to have.

#include "analysis/users.h"

namespace epass {

// Passes know more of some numbers than the verifiers of all kernels do: that of a byte swap the upper bits
// are clear, for one. A mask that says so again changes nothing, and yet a program may need it.
//
// Refers to `fn` and `users`; edits that leave what values are computed from as it is do not spoil it.
class RangeUse {
 public:
  RangeUse(const Function& fn, const Users& users) : fn_(fn), users_(users) {}

  // Whether `v`, or what is computed from it, may become part of an address, be compared with another number,
  // or go to where it cannot be followed: into a call, on the stack, to the caller. Tests against constants
  // and stores elsewhere need no range.
  bool is_needed(Value v) const;

 private:
  bool is_needed_by(Inst user, Value v) const;
  bool may_be_spilled_to(Inst store) const;

  const Function& fn_;
  const Users& users_;
};

}  // namespace epass
