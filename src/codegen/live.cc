// Live segments: for each virtual register the half-open ranges of positions at which it holds its value.
//
// From each use the walk goes up through predecessors until it meets the definition, so the work is the
// number of (register, block) pairs in which the register is live: no sets per block, no iteration to a fixed
// point.

#include <algorithm>

#include "codegen/machine.h"

namespace epass {
namespace {

// Calls visit(register, position, is_definition) for every operand of instruction `n`.
template <class Visit>
void visit_operands(const MFunction& mf, uint32_t n, Visit visit) {
  const MInst& inst = mf.insts[n];
  for (int k = 0; k < 3; ++k)
    if (inst.use[size_t(k)]) visit(inst.use[size_t(k)], 2 * n, false);
  for (VReg v : mf.lists.span(inst.list)) visit(v, 2 * n, false);
  if (inst.def) visit(inst.def, 2 * n + 1, true);
}

bool has_segments(const MFunction& mf, VReg v) {
  Loc loc = mf.reg(v).loc;
  return loc == kUnassigned || is_slot(loc);
}

// How far a use reaches: past the definition of the same instruction where both need different registers.
uint32_t reach_of_use(const MFunction& mf, uint32_t n, VReg v) {
  const MInst& inst = mf.insts[n];
  auto is_use = [&](size_t k) { return inst.use[k] == v; };
  bool beyond = false;
  switch (inst.kind) {
    case MKind::kAlu:
      // def starts as a copy of use0, so it must not overwrite use1 (unless both are the same value).
      beyond = !inst.imm_operand && is_use(1) && !is_use(0);
      break;
    case MKind::kFetch: beyond = is_use(0); break;
    case MKind::kCmpXchg: beyond = is_use(0) || is_use(2); break;
    case MKind::kCall: beyond = is_use(0); break;  // the target of callx outlives the moves into r1-r5
    case MKind::kLdAbs: beyond = false; break;
    default: break;
  }
  return 2 * n + (beyond ? 2 : 1);
}

void build_use_lists(MFunction& mf) {
  std::vector<uint32_t> count(mf.vregs.size() + 1);
  for (uint32_t n = 0; n < mf.insts.size(); ++n)
    visit_operands(mf, n, [&](VReg v, uint32_t, bool) { ++count[v.index + 1]; });
  for (size_t n = 1; n < count.size(); ++n) count[n] += count[n - 1];
  mf.uses_begin = count;
  mf.use_positions.resize(count.back());
  for (uint32_t n = 0; n < mf.insts.size(); ++n)
    visit_operands(mf, n, [&](VReg v, uint32_t at, bool) { mf.use_positions[count[v.index]++] = at; });
}

}  // namespace

void compute_live_segments(MFunction& mf) {
  build_use_lists(mf);
  for (VRegData& v : mf.vregs) v.def_at = UINT32_MAX;
  for (uint32_t n = 0; n < mf.insts.size(); ++n)
    if (mf.insts[n].def) mf.reg(mf.insts[n].def).def_at = 2 * n + 1;
  for (uint32_t b = 0; b < mf.blocks.size(); ++b)
    for (VReg p : mf.block_params(b)) mf.reg(p).def_at = mf.start_of(mf.blocks[b]);

  std::vector<uint32_t> block_of(mf.insts.size());
  for (uint32_t b = 0; b < mf.blocks.size(); ++b)
    std::fill(block_of.begin() + mf.blocks[b].begin, block_of.begin() + mf.blocks[b].end, b);

  std::vector<uint32_t> seen(mf.blocks.size(), UINT32_MAX), segment_in(mf.blocks.size());
  std::vector<uint32_t> work;
  mf.segments.clear();
  for (uint32_t n = 0; n < mf.vregs.size(); ++n) {
    VReg v{n};
    VRegData& reg = mf.vregs[n];
    reg.first_segment = uint32_t(mf.segments.size());
    reg.segment_count = 0;
    if (!has_segments(mf, v) || reg.def_at == UINT32_MAX) continue;
    uint32_t home_block = block_of[reg.def_at / 2];
    auto add = [&](uint32_t block, uint32_t start, uint32_t end) {
      if (seen[block] == n) {
        Segment& s = mf.segments[segment_in[block]];
        s.end = std::max(s.end, end);
        return false;
      }
      seen[block] = n;
      segment_in[block] = uint32_t(mf.segments.size());
      mf.segments.push_back({start, end});
      return true;
    };
    add(home_block, reg.def_at, reg.def_at + 1);
    bool used = false;
    for (uint32_t u = mf.uses_begin[n]; u < mf.uses_begin[n + 1]; ++u) {
      uint32_t at = mf.use_positions[u];
      if (at == reg.def_at && at % 2) continue;  // the definition itself
      used = true;
      uint32_t block = block_of[at / 2], end = reach_of_use(mf, at / 2, v);
      bool upwards = block != home_block && add(block, mf.start_of(mf.blocks[block]), end);
      if (!upwards) {
        add(block, reg.def_at, end);
        continue;
      }
      work.push_back(block);
      while (!work.empty()) {
        uint32_t at_block = work.back();
        work.pop_back();
        for (MBlock p : mf.preds(at_block)) {
          const MBlockData& pred = mf.blocks[p.index];
          if (p.index == home_block) {
            add(p.index, reg.def_at, mf.end_of(pred));
          } else if (add(p.index, mf.start_of(pred), mf.end_of(pred))) {
            work.push_back(p.index);
          }
        }
      }
    }
    auto first = mf.segments.begin() + reg.first_segment;
    MKind kind = mf.insts[reg.def_at / 2].kind;
    bool leaves_in_r0 = kind == MKind::kCall || kind == MKind::kLdAbs || kind == MKind::kCmpXchg;
    if (!used &&
        (reg.def_at % 2 == 0 || leaves_in_r0)) {  // a parameter or result that nothing reads needs no place
      mf.segments.erase(first, mf.segments.end());
      if (reg.def_at % 2) mf.insts[reg.def_at / 2].def = {};
      continue;
    }
    std::sort(first, mf.segments.end(), [](Segment a, Segment b) { return a.start < b.start; });
    auto last = first;
    for (auto s = first + 1; s != mf.segments.end(); ++s) {
      if (s->start <= last->end) {
        last->end = std::max(last->end, s->end);
      } else {
        *++last = *s;
      }
    }
    mf.segments.erase(last + 1, mf.segments.end());
    reg.segment_count = uint32_t(mf.segments.size()) - reg.first_segment;
  }
}

}  // namespace epass
