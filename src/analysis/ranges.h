#pragma once
// What is known of each value as a number, by what computes it and by the tests on the way. A snapshot.

#include <deque>
#include <vector>

#include "analysis/cfg.h"
#include "analysis/memory.h"
#include "analysis/scalar.h"
#include "analysis/users.h"
#include "ir/dominators.h"

namespace epass {

// Whether the verifiers of all kernels since 6.1 work out what this arithmetic makes of the ranges of its
// operands: they follow sums, differences and `and` of any two numbers, other operations only by constants,
// and no division or change of byte order.
bool is_followed_by_verifiers(const Function& fn, Inst i);

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
    uint32_t before = kNoTest;  // another of the same value
    uint32_t count = 1;         // of those, with this one

    void tell(Scalar& of) const;
  };
  static constexpr uint32_t kNoTest = UINT32_MAX;

  // What is known of each value that is no constant. That it is never made or can be anything takes no room.
  class Facts {
   public:
    explicit Facts(uint32_t values) : place_(values, kNever) {}

    uint32_t size() const { return uint32_t(place_.size()); }
    const Scalar& operator[](Value v) const { return kept_[place_[v.index]]; }
    void set(Value v, const Scalar& fact);

   private:
    enum : uint32_t { kNever, kAnything, kSpecial };  // places

    std::vector<uint32_t> place_;
    std::deque<Scalar> kept_ = {Scalar::none(), Scalar{}};
  };

  void find_tests(const Cfg& cfg);
  // What the end of a block says of what it tests, for who leaves by its edge `n`.
  std::optional<Test> test_of(Inst end, uint32_t n) const;

  const Function& fn_;
  const Dominators& dominators_;
  Options options_;
  Facts facts_;
  std::vector<Test> tests_;
  SideTable<Value, uint32_t> last_test_ = SideTable<Value, uint32_t>(kNoTest);
  SideTable<Block, uint8_t> reached_ = SideTable<Block, uint8_t>(0);
};

}  // namespace epass
