#pragma once
// What early-cse and gvn know at one place.

#include <array>
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

// What was computed last; forgets it all when it gets too much. So few that looking at each is fastest.
class KnownResults {
 public:
  // The value that the same instruction made; none, and `made` is remembered.
  Value find_or_add(const Key& key, Value made) {
    if (const Value known = find(key)) return known;
    if (list_.size() == KnownMemory::kMost) list_.clear();
    list_.emplace_back(key, made);
    return {};
  }
  Value find(const Key& key) const {
    for (const auto& [known, value] : list_)
      if (known == key) return value;
    return {};
  }

 private:
  std::vector<std::pair<Key, Value>> list_;
};

// What is known where the walk of early-cse stands.
struct Known {
  KnownResults values = {};
  KnownMemory memory = {};
  // For remarks: the last call, and what was known before it.
  Inst call = {};
  std::shared_ptr<const Known> before = {};
};

}  // namespace epass
