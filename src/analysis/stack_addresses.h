#pragma once
// Which values are addresses in the function's own stack frame, at known offsets, and which bytes of it
// something else than the function's own loads and stores may touch.

#include <optional>

#include "analysis/cfg.h"

namespace epass {

class StackAddresses {
 public:
  StackAddresses(const Function& fn, const Cfg& cfg);

  // The offset from the frame pointer that `v` always holds, -512..0.
  std::optional<int> offset(Value v) const {
    const int16_t at = offsets_[v];
    return at == kNone ? std::nullopt : std::optional<int>(at);
  }
  // False if an address could not be followed: it went through memory, arithmetic with what is not constant,
  // or into code of the program itself. Then any byte may be touched by anything.
  bool complete() const { return complete_; }
  // Which word of the frame a load or store reads or writes: word n is the 8 bytes at fp-8(n+1), or the lower
  // half of them. -1: none.
  int word_of(Inst i) const;
  // The words that nothing else than such loads and stores touches, all of one size. Bit n is word n.
  uint64_t private_words() const;
  // Whether a callee, or an access through an address that came by a block parameter, may touch any of these
  // bytes. Whoever gets an address may touch all bytes above it.
  bool escapes(int offset, int bytes) const;

 private:
  static constexpr int16_t kNone = INT16_MAX;

  void visit(Block b);
  // `exact`: the offset is what it always is, else the lowest that it may be.
  void reach(Value v, int64_t offset, bool exact = true);
  void use(Inst i, Value v, int offset, bool exact);
  void escape(int offset) { escaped_ = std::min(escaped_, offset); }

  const Function& fn_;
  SideTable<Value, int16_t> offsets_ = SideTable<Value, int16_t>(kNone);
  SideTable<Value, int16_t> lowest_ = SideTable<Value, int16_t>(kNone);  // of what parameters may bring
  bool again_ = false;
  int escaped_ = 0;  // the lowest offset that escapes
  bool complete_ = true;
};

}  // namespace epass
