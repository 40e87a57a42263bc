#include "codegen/spill.h"

#include <algorithm>

namespace epass {

// Reads of `v` by `inst` that have to be in a register.
static bool reads_in_register(const MInst& inst, VReg v) {
  for (int k = 0; k < 3; ++k)
    if (inst.use[size_t(k)] == v && needs_register(inst, k)) return true;
  return false;
}

// A definition that may go to a slot at once: copies, and results that the target leaves in r0.
static bool defines_slot(const MInst& inst) {
  return inst.kind == MKind::kCopy || inst.kind == MKind::kCall || inst.kind == MKind::kLdAbs ||
         inst.kind == MKind::kCmpXchg;
}

// Whether the read reaches past the write of the same instruction (see live.cc).
static uint32_t read_end(const MInst& inst, uint32_t n, VReg v) {
  bool beyond = false;
  for (size_t k = 0; k < 3; ++k) {
    if (inst.use[k] != v) continue;
    beyond |= inst.kind == MKind::kAlu && k == 1 && !inst.imm_operand && inst.use[0] != v;
    beyond |= inst.kind == MKind::kFetch && k == 0;
    beyond |= inst.kind == MKind::kCmpXchg && k != 1;
    beyond |= inst.kind == MKind::kCall;
  }
  return 2 * n + (beyond ? 2 : 1);
}

std::vector<uint32_t> Spiller::positions(VReg v) const {
  if (mf_.reg(v).split == 0) {
    auto first = mf_.use_positions.begin() + mf_.uses_begin[v.index];
    return {first, mf_.use_positions.begin() + mf_.uses_begin[v.index + 1]};
  }
  std::vector<uint32_t> found;
  for (Segment s : mf_.segments_of(v)) {
    for (uint32_t n = s.start / 2; n <= (s.end - 1) / 2; ++n) {
      const MInst& inst = mf_.insts[n];
      auto list = mf_.lists.span(inst.list);
      if (std::ranges::find(inst.use, v) != inst.use.end() || std::ranges::find(list, v) != list.end())
        found.push_back(2 * n);
      if (inst.def == v) found.push_back(2 * n + 1);
    }
  }
  return found;
}

VReg Spiller::add_part(VReg v, std::span<const uint32_t> positions) {
  VRegData data{.home = mf_.reg(v).home, .hint = mf_.reg(v).hint};
  data.split = uint8_t(mf_.reg(v).split + 1);
  if (Home{data.home}.is_stack()) data.home = Home::kNone;
  data.parent = mf_.reg(v).split ? mf_.reg(v).parent : v;
  data.first_segment = uint32_t(mf_.segments.size());
  data.segment_count = 1;
  data.def_at = positions.front() % 2 ? positions.front() : UINT32_MAX;
  uint32_t end = 0;
  for (uint32_t at : positions) end = std::max(end, at % 2 ? at + 1 : read_end(mf_.insts[at / 2], at / 2, v));
  mf_.segments.push_back({positions.front(), end});
  VReg part = mf_.add_vreg(data);
  for (uint32_t at : positions) {
    MInst& inst = mf_.insts[at / 2];
    if (at % 2) {
      inst.def = part;
    } else {
      std::ranges::replace(inst.use, v, part);
      std::ranges::replace(mf_.lists.span(inst.list), v, part);
    }
  }
  return part;
}

void Spiller::use_parent(VReg part, uint32_t at) {
  MInst& inst = mf_.insts[at / 2];
  VReg parent = mf_.reg(part).parent;
  if (at % 2) {
    inst.def = parent;
  } else {
    std::ranges::replace(inst.use, part, parent);
    std::ranges::replace(mf_.lists.span(inst.list), part, parent);
  }
}

std::vector<VReg> Spiller::split(VReg v) {
  if (barriers_.empty()) {
    for (const MBlockData& b : mf_.blocks) {
      for (uint32_t n = b.begin; n < b.end; ++n)
        if (mf_.insts[n].kind == MKind::kCall || mf_.insts[n].kind == MKind::kLdAbs || n + 1 == b.end)
          barriers_.push_back(n);
    }
  }
  std::vector<uint32_t> all = positions(v);
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  std::vector<VReg> parts;
  bool single = mf_.reg(v).split > 0;
  auto needs = [&](uint32_t at) {
    const MInst& inst = mf_.insts[at / 2];
    return at % 2 ? !defines_slot(inst) && mf_.reg(v).loc != kRemat : reads_in_register(inst, v);
  };
  for (size_t first = 0; first < all.size();) {
    // A stretch: positions up to the same barrier, beginning with one that needs a register.
    if (!needs(all[first])) {
      if (single) use_parent(v, all[first]);
      ++first;
      continue;
    }
    uint32_t barrier = *std::ranges::lower_bound(barriers_, all[first] / 2);
    size_t last = first + 1;
    while (!single && last < all.size() && all[last] / 2 <= barrier) ++last;
    parts.push_back(add_part(v, std::span(all).subspan(first, last - first)));
    first = last;
  }
  return parts;
}

}  // namespace epass
