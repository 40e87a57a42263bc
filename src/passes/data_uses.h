#pragma once
// Which values the verifier need not know: those that end as data wherever they go.

#include <vector>

#include "analysis/memory.h"

namespace epass {

class DataUses {
 public:
  // Refers to all of them.
  DataUses(const Function& fn, const Cfg& cfg, const Users& users, const MemoryModel& memory);

  // Whether `v` and what is computed of it is returned, or stored where no load reads it; never tested,
  // passed to a call or part of an address. Bounded work.
  bool ends_as_data(Value v, int depth = 0) const;

 private:
  bool is_written_only(Inst store) const;

  const Function& fn_;
  const Users& users_;
  const MemoryModel& memory_;
  std::vector<Inst> loads_;
};

}  // namespace epass
