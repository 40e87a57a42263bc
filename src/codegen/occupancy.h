#pragma once
// Which virtual register holds one location (a register or a slot) at which positions.

#include <algorithm>
#include <map>

#include "codegen/machine.h"

namespace epass {

class Occupancy {
 public:
  struct Entry {
    uint32_t start = 0, end = 0;
    VReg holder = {};
  };
  // A range in which the target itself needs the location; `exempt` may stay.
  struct Fixed {
    uint32_t start = 0, end = 0;
    VReg exempt = {};
  };

  // The bulk of assignments, sorted and disjoint.
  void set_base(std::vector<Entry> base) { base_ = std::move(base); }
  void add_fixed(Fixed fixed) { fixed_.push_back(fixed); }  // in ascending order
  void add(VReg v, std::span<const Segment> segments) {
    for (Segment s : segments) added_[s.start] = {s.start, s.end, v};
  }
  // Forgets `v`. Its base entries are skipped by `is_current` from now on.
  void remove(VReg v, std::span<const Segment> segments) {
    for (Segment s : segments) {
      auto it = added_.find(s.start);
      if (it != added_.end() && it->second.holder == v) added_.erase(it);
    }
  }

  // Calls visit(holder) for each holder that overlaps; `is_current(v)` tells whether a base entry still
  // counts. Returns false at once if the target itself is in the way or `visit` returns false.
  template <class IsCurrent, class Visit>
  bool visit_overlaps(VReg v, std::span<const Segment> segments, IsCurrent is_current, Visit visit) const {
    for (Segment s : segments) {
      auto f = std::ranges::partition_point(fixed_, [&](const Fixed& x) { return x.end <= s.start; });
      for (; f != fixed_.end() && f->start < s.end; ++f)
        if (f->exempt != v) return false;
      auto b = std::ranges::partition_point(base_, [&](const Entry& x) { return x.end <= s.start; });
      for (; b != base_.end() && b->start < s.end; ++b)
        if (is_current(b->holder) && !visit(b->holder)) return false;
      auto a = added_.lower_bound(s.start);
      if (a != added_.begin() && std::prev(a)->second.end > s.start) --a;
      for (; a != added_.end() && a->second.start < s.end; ++a)
        if (!visit(a->second.holder)) return false;
    }
    return true;
  }

 private:
  std::vector<Entry> base_;
  std::vector<Fixed> fixed_;
  std::map<uint32_t, Entry> added_;
};

}  // namespace epass
