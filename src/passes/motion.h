#pragma once
// What passes share that move computations and loads to other places.

#include "analysis/analyses.h"

namespace epass {

class Motion {
 public:
  Motion(Function& fn, Analyses& analyses)
      : fn_(fn), cfg_(analyses.cfg()), users_(analyses.users()), memory_(analyses.memory()) {}

  // Arithmetic and plain loads whose result lives in a register.
  bool is_movable(Inst i) const;
  // Whether running `other` first would change what `i` makes. Arithmetic on an address counts: a helper may
  // end what the verifier knows of packet pointers, and of memory that is given back.
  bool is_changed_by(Inst i, Inst other) const;
  // Whether something else than `i` reads `v` at the start of `b` or later. Bounded: what would be a long
  // search answers no. The definition of `v` dominates `b` and does not stand in it.
  bool lives_at(Value v, Block b, Inst i) const;
  // Whether `v` takes no register that it must keep: a constant, an address of the frame, a map's.
  bool is_made_anew(Value v) const;
  // Whether `v` is a constant or a frame address for one instruction alone, shown as part of it.
  bool is_own_operand(Value v) const;
  // Moves `i` before `at`, and its own operands along with it.
  void move(Inst i, Inst at);

 private:
  Function& fn_;
  const Cfg& cfg_;
  const Users& users_;
  const MemoryModel& memory_;
};

}  // namespace epass
