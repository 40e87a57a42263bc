#include "passes/frame_lives.h"

namespace epass {
namespace {

// Sets `of` each block to what `flow` makes of it until nothing changes.
template <class T, class Flow>
void settle(const Cfg& cfg, SideTable<Block, T>& of, Flow flow) {
  for (bool again = true; again;) {
    again = false;
    for (Block b : cfg.rpo) {
      const T now = flow(b);
      again |= now != of[b];
      of.at(b) = now;
    }
  }
}

}  // namespace

Words find_unwritten(const Function& fn, const Cfg& cfg, const FrameUses& uses) {
  SideTable<Inst, std::vector<const FrameUse*>> of;
  for (const FrameUse& use : uses.list) of.at(use.inst).push_back(&use);
  SideTable<Block, FrameBytes> at_end(FrameBytes().set());
  Words unwritten = 0;
  const auto walk = [&](Block b) {
    FrameBytes written = b == fn.entry() ? FrameBytes() : FrameBytes().set();
    for (Edge e : cfg.incoming(b)) written &= at_end[cfg.source(e)];
    for (Inst i : fn.insts_of(b)) {
      for (const FrameUse* use : of[i])
        if (use->is_read && (use->mask() & ~written).any()) unwritten |= use->words();
      for (const FrameUse* use : of[i])
        if (use->is_written) written |= use->mask();
    }
    return written;
  };
  settle(cfg, at_end, walk);
  return unwritten;
}

std::array<Words, 64> find_conflicts(const Function& fn, const Cfg& cfg, const FrameUses& uses) {
  SideTable<Inst, Words> touched, later;
  SideTable<Block, Words> in_block, before, after;  // touched on some way to its end; from its begin on
  for (const FrameUse& use : uses.list) {
    touched.at(use.inst) |= use.words();
    in_block.at(fn.insts[use.inst].block) |= use.words();
  }
  const auto at_begin = [&](Block b) {
    Words words = 0;
    for (Edge e : cfg.incoming(b)) words |= before[cfg.source(e)];
    return words;
  };
  const auto at_end = [&](Block b) {
    Words words = 0;
    const Inst end = fn.terminator(b);
    for (uint32_t n = 0; n < fn.insts[end].edge_count; ++n) words |= after[fn.target(end, n)];
    return words;
  };
  settle(cfg, before, [&](Block b) { return at_begin(b) | in_block[b]; });
  settle(cfg, after, [&](Block b) { return at_end(b) | in_block[b]; });
  std::array<Words, 64> conflicts = {};
  for (Block b : cfg.rpo) {
    Words words = at_end(b);
    for (Inst i = fn.terminator(b); i; i = fn.insts[i].prev) later.at(i) = words, words |= touched[i];
    words = at_begin(b);
    // Of two that are needed at once, one is touched while the other is needed.
    for (Inst i : fn.insts_of(b)) {
      const Words now = touched[i], busy = (words & later[i]) | now;
      for (size_t n = 0; now && n < 64; ++n)
        if (busy >> n & 1) conflicts[n] |= busy;
      words |= now;
    }
  }
  return conflicts;
}

}  // namespace epass
