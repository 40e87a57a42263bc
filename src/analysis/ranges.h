#pragma once
// What is known of each value as a number, by what computes it and by the tests on the way. A snapshot.

#include <vector>

#include "analysis/cfg.h"
#include "analysis/memory.h"
#include "analysis/scalar.h"
#include "analysis/users.h"
#include "ir/dominators.h"

namespace epass {

// Sparse and conditional: what cannot run tells nothing, and a block is looked at again only where something
// that it reads changed. A value that keeps changing around a loop is let go of after a few times.
class Ranges {
 public:
  struct Options {
    // Only what the verifiers of all kernels since 6.1 work out themselves from the same instructions.
    bool as_verified = false;
    // Also what a test of a value against a constant says of that value behind it.
    bool use_tests = false;
  };

  // Refers to `fn` and `dominators`.
  Ranges(const Function& fn, const Cfg& cfg, const Dominators& dominators, const Users& users,
         const MemoryModel& memory, Options options);

  // Of `v`, wherever it is. Nothing is known of what may be an address.
  Scalar of(Value v) const;
  // Of `v` in `b`, with what tests say there. None: `b` cannot be reached.
  Scalar at(Value v, Block b) const;
  bool is_reached(Block b) const { return reached_[b]; }

 private:
  friend class RangeSolver;
  // Behind the start of `block`, the test of some value held, or it did not.
  struct Test {
    Block block = {};
    Opcode op = Opcode::JumpEq;
    Width width = Width::k64;
    bool held = true;
    uint64_t constant = 0;

    void tell(Scalar& of) const;
  };

  void find_tests(const Cfg& cfg);
  // What the end of a block says of what it tests, for who leaves by its edge `n`.
  std::optional<Test> test_of(Inst end, uint32_t n) const;

  const Function& fn_;
  const Dominators& dominators_;
  Options options_;
  uint32_t count_;  // values that there were
  SideTable<Value, Scalar> facts_;
  SideTable<Value, std::vector<Test>> tests_;
  SideTable<Block, uint8_t> reached_ = SideTable<Block, uint8_t>(0);
};

}  // namespace epass
