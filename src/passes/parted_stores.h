#pragma once
// For remarks: stores that could not wait for a neighbour.

#include <vector>

#include "analysis/memory.h"
#include "pass/pass.h"

namespace epass {

class PartedStores {
 public:
  PartedStores(const Function& fn, const PassContext& context) : fn_(fn), context_(context) {}

  // `by` may read or change what `store` writes.
  void part(Inst store, const Location& at, Inst by) {
    if (context_.remarks && parted_.size() < kMax) parted_.push_back({store, at, by});
  }
  // Says so if a store that was parted lies beside this one.
  void meet(Inst store, const Location& at) {
    for (const Parted& p : parted_) {
      if (fn_.insts[p.store].block != fn_.insts[store].block || p.at.at.root != at.at.root ||
          p.at.at.region != at.at.region)
        continue;
      if (p.at.at.offset + p.at.bytes == at.at.offset || at.at.offset + at.bytes == p.at.at.offset)
        return context_.missed(fn_, store,
                               is_call(fn_.insts[p.by].op)
                                   ? "a call after its neighbour may read or change that"
                                   : "an access after its neighbour may overlap that");
    }
  }

 private:
  struct Parted {
    Inst store = {};
    Location at = {};
    Inst by = {};
  };
  static constexpr size_t kMax = 4096;
  const Function& fn_;
  const PassContext& context_;
  std::vector<Parted> parted_;
};

}  // namespace epass
