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
  // False if an address could not be followed: it went through memory, a block parameter, arithmetic with
  // what is not constant, or into code of the program itself. Then any byte may be touched by anything.
  bool complete() const { return complete_; }
  // Which word of the frame a load or store reads or writes as a whole: word n is the 8 bytes at fp-8(n+1).
  // -1: none.
  int word_of(Inst i) const;
  // The words that nothing else than such loads and stores touches. Bit n is word n.
  uint64_t private_words() const;
  // Whether a callee may touch any of these bytes. Whoever gets an address may touch all bytes above it.
  bool escapes(int offset, int bytes) const;

 private:
  static constexpr int16_t kNone = INT16_MAX;

  void reach(Value v, int64_t offset);
  void use(Inst i, Value v, int offset);
  void escape(int offset) { escaped_ = std::min(escaped_, offset); }

  const Function& fn_;
  SideTable<Value, int16_t> offsets_ = SideTable<Value, int16_t>(kNone);
  int escaped_ = 0;  // the lowest offset that escapes
  bool complete_ = true;
};

}  // namespace epass
