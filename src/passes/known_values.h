#pragma once
// What early-cse knows.

#include <array>
#include <map>
#include <memory>
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

// What is known where the walk stands.
struct Known {
  std::map<Key, Value> values = {};
  std::vector<Stored> memory = {};
  // For remarks: the last call, and what was known before it.
  Inst call = {};
  std::shared_ptr<const Known> before = {};
};

}  // namespace epass
