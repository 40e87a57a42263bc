#pragma once
// What memory an instruction may read and write: where pointers point to, as far as the function itself
// tells, and which accesses may touch the same bytes. A snapshot.

#include <optional>

#include "analysis/cfg.h"
#include "analysis/stack_addresses.h"
#include "analysis/users.h"
#include "ir/function.h"

namespace epass {

// Kinds of memory that have no byte in common.
enum class Region : uint8_t {
  kUnknown,  // anything, the function's own stack included if its address got out
  kStack,    // the function's own frame
  kContext,
  kPacket,
  kMapValue,  // map values, global data, memory that a helper lent
};

// An address as a root and a constant: two locations with one root are `offset` bytes apart.
struct Pointee {
  Region region = Region::kUnknown;
  Value root = {};  // none: the frame pointer
  int64_t offset = 0;
  friend bool operator==(const Pointee&, const Pointee&) = default;
};

// Bytes of an access.
struct Location {
  Pointee at = {};
  uint32_t bytes = 0;

  int64_t end() const { return at.offset + bytes; }
  friend bool operator==(const Location&, const Location&) = default;
};

class MemoryModel {
 public:
  // Refers to all of them but `cfg` and `users`.
  MemoryModel(const Function& fn, const Cfg& cfg, const Users& users, const StackAddresses& stack,
              const Symbols& symbols);

  Pointee pointee(Value v) const;
  // Of a load, store or atomic operation; not of calls.
  Location location(Inst i) const;
  bool may_overlap(const Location& a, const Location& b) const;
  // Whether running `i` may read or write a byte of `at`. Loads and stores, atomics, calls; anything else
  // touches nothing.
  bool may_read(Inst i, const Location& at) const;
  bool may_write(Inst i, const Location& at) const;
  // What a plain store writes, no more and no less; none of anything else.
  std::optional<Location> plainly_written(Inst i) const;
  const StackAddresses& stack() const { return stack_; }

 private:
  void find_regions(const Cfg& cfg, const Users& users);
  Region region_of_result(Inst i, const Users& users) const;
  Region region_of_load(Inst i, const Users& users) const;
  bool is_base(Value v, const Users& users, int depth) const;

  const Function& fn_;
  const Symbols& symbols_;
  const StackAddresses& stack_;
  SideTable<Value, uint8_t> regions_ = SideTable<Value, uint8_t>(0);
};

}  // namespace epass
