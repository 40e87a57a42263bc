#pragma once
// What early-cse and gvn know at one place.

#include <array>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "analysis/memory.h"

namespace epass {

// What makes two pure instructions the same.
struct Key {
  Opcode op = Opcode::Undef;
  Width width = Width::k64;
  int64_t imm = 0;
  std::array<Value, 2> operands = {};
  friend auto operator<=>(const Key&, const Key&) = default;
};

struct Stored {
  Location at = {};
  Value value = {};
  MemSize size = MemSize::kU64;
  bool is_store = false;
};

// What was loaded and stored last, the oldest first. Forgets that when it gets too much.
class KnownMemory {
 public:
  static constexpr size_t kMost = 64;

  std::span<const Stored> all() const { return list_; }
  void remember(const Stored& stored) {
    if (list_.size() == kMost) list_.erase(list_.begin());
    list_.push_back(stored);
  }
  template <class Which>
  void forget(Which which) {
    std::erase_if(list_, which);
  }
  // What `write` may have changed.
  void forget_written(const MemoryModel& memory, Inst write) {
    if (const auto at = memory.plainly_written(write))
      forget([&](const Stored& s) { return memory.may_overlap(*at, s.at); });
    else
      forget([&](const Stored& s) { return memory.may_write(write, s.at); });
  }

 private:
  std::vector<Stored> list_;
};

// What is known where the walk of early-cse stands.
struct Known {
  std::map<Key, Value> values = {};
  KnownMemory memory = {};
  // For remarks: the last call, and what was known before it.
  Inst call = {};
  std::shared_ptr<const Known> before = {};
};

}  // namespace epass
