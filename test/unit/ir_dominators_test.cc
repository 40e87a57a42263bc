// Dominators against their definition: `a` dominates `b` if `b` cannot be reached without going through `a`.

#include <gtest/gtest.h>

#include "ir/builder.h"
#include "ir/dominators.h"
#include "random_function.h"

namespace epass {
namespace {

// What can be reached from the entry without entering `avoided`.
std::vector<uint8_t> reached_without(const Function& fn, Block avoided) {
  std::vector<uint8_t> reached(fn.blocks.size(), 0);
  std::vector<Block> work;
  auto visit = [&](Block b) {
    if (b != avoided && !reached[b.index]) reached[b.index] = 1, work.push_back(b);
  };
  visit(fn.entry());
  while (!work.empty()) {
    Inst end = fn.terminator(work.back());
    work.pop_back();
    for (uint32_t n = 0; n < fn.insts[end].edge_count; ++n) visit(fn.target(end, n));
  }
  return reached;
}

TEST(IrDominators, AgreeWithTheDefinition) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    Function fn = RandomFunction(seed).make();
    Dominators dominators(fn);
    std::vector<uint8_t> all = reached_without(fn, {});
    for (Block a : fn.all_blocks()) {
      ASSERT_EQ(dominators.reachable(a), bool(all[a.index]));
      if (!all[a.index]) continue;
      std::vector<uint8_t> reached = reached_without(fn, a);
      for (Block b : fn.all_blocks()) {
        if (!all[b.index]) continue;
        ASSERT_EQ(dominators.dominates(a, b), !reached[b.index])
            << "seed " << seed << " b" << a.index << " b" << b.index;
      }
    }
    for (Block b : fn.all_blocks()) {
      if (!all[b.index] || b == fn.entry()) continue;
      Block d = dominators.idom(b);
      ASSERT_TRUE(d && d != b && dominators.dominates(d, b));
      for (Block a : fn.all_blocks())
        if (a != b && all[a.index] && dominators.dominates(a, b)) { ASSERT_TRUE(dominators.dominates(a, d)); }
    }
  }
}

// Many checks that all leave to one block, either way round: the usual iterative method takes a minute for
// this.
TEST(IrDominators, LaddersAreFast) {
  for (bool exit_first : {false, true}) {
    Function fn;
    constexpr uint32_t kRungs = 200000;
    std::vector<Block> blocks;
    for (uint32_t n = 0; n < kRungs; ++n) blocks.push_back(fn.add_block());
    Value v = fn.add_param(blocks[0]);
    for (uint32_t n = 0; n + 2 < kRungs; ++n) {
      Block on = blocks[n + 1], out = blocks[kRungs - 1];
      Builder::at_end(fn, blocks[n])
          .branch(Opcode::JumpEq, Width::k64, v, v, exit_first ? out : on, exit_first ? on : out);
    }
    Builder::at_end(fn, blocks[kRungs - 2]).jump(blocks[kRungs - 1]);
    Builder::at_end(fn, blocks[kRungs - 1]).ret(v);
    Dominators dominators(fn);
    EXPECT_EQ(dominators.idom(blocks[kRungs - 1]), blocks[0]);
    EXPECT_EQ(dominators.idom(blocks[kRungs - 2]), blocks[kRungs - 3]);
  }
}

}  // namespace
}  // namespace epass
