// New ids for what is left of a function: the text, which names things in their order, stays the same.

#include <gtest/gtest.h>

#include <algorithm>

#include "ir/builder.h"
#include "ir/edit.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "random_function.h"

namespace epass {
namespace {

uint32_t placed_insts(const Function& fn) { return uint32_t(fn.all_insts().size()); }

// Makes gaps: every third result that nothing uses goes, and tests that become plain jumps leave blocks
// behind.
void make_gaps(Function& fn) {
  const auto uses = count_uses(fn);
  uint32_t n = 0;
  for (Inst i : fn.all_insts()) {
    const InstData& d = fn.insts[i];
    if (d.edge_count == 2 && ++n % 3 == 0) keep_only_edge(fn, d.block, n % 2);
    if (d.result && !uses[d.result] && !info(d.op).effects && ++n % 3 == 0) fn.remove(i);
  }
  remove_unreachable_blocks(fn);
}

TEST(IrCompact, KeepsTheTextAndLeavesNoGaps) {
  uint64_t gaps = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    Function fn = RandomFunction(seed).make();
    make_gaps(fn);
    const std::string before = print(fn, {});
    const uint32_t had = fn.insts.size();
    ASSERT_TRUE(fn.compact());
    EXPECT_EQ(print(fn, {}), before) << "seed " << seed;
    EXPECT_EQ(fn.insts.size(), placed_insts(fn));
    EXPECT_TRUE(verify(fn).has_value()) << "seed " << seed;
    gaps += had - fn.insts.size();
  }
  EXPECT_GT(gaps, 1000u);
}

TEST(IrCompact, LeavesCodeAloneThatUsesWhatIsGone) {
  Function fn;
  const Block entry = fn.add_block(), gone = fn.add_block(), idle = fn.add_block();
  Builder::at_end(fn, entry).ret(Builder::at_end(fn, entry).constant(0));
  const Value v = Builder::at_end(fn, gone).constant(1);
  Builder::at_end(fn, gone).jump(idle);
  Builder::at_end(fn, idle).ret(v);
  fn.remove_block(gone);
  const uint32_t insts = fn.insts.size();
  EXPECT_FALSE(fn.compact());
  EXPECT_EQ(fn.insts.size(), insts);
  EXPECT_EQ(fn.operand(fn.terminator(idle), 0), v);
  remove_unreachable_blocks(fn);
  EXPECT_TRUE(fn.compact());
  EXPECT_EQ(fn.insts.size(), 2u);
}

// A replacement by what is replaced in turn, read before and after both are forgotten.
TEST(IrCompact, ReplacementsOfReplacements) {
  Function fn;
  const Block entry = fn.add_block();
  const Value a = Builder::at_end(fn, entry).constant(1), b = Builder::at_end(fn, entry).constant(2),
              c = Builder::at_end(fn, entry).constant(3);
  const Value sum = Builder::at_end(fn, entry).binary(Opcode::Add, Width::k64, a, b);
  Builder::at_end(fn, entry).ret(sum);
  fn.replace(a, b);
  fn.replace(b, c);
  const Inst add = fn.def(sum);
  EXPECT_EQ(fn.operand(add, 0), c);
  fn.compact_aliases();
  EXPECT_EQ(fn.operands(add)[0], c);
  EXPECT_EQ(fn.operands(add)[1], c);
  EXPECT_EQ(fn.resolve(a), a) << "nothing refers to it any more";
}

TEST(IrCompact, KeepsTheOrderOfIds) {
  Function fn = RandomFunction(7).make();
  make_gaps(fn);
  auto order = [&] {
    std::vector<Inst> all = fn.all_insts();
    std::vector<uint32_t> ranks(all.size());
    for (size_t n = 0; n < all.size(); ++n)
      ranks[n] = uint32_t(std::ranges::count_if(all, [&](Inst i) { return i < all[n]; }));
    return ranks;
  };
  const std::vector<uint32_t> before = order();
  ASSERT_TRUE(fn.compact());
  EXPECT_EQ(order(), before);
}

}  // namespace
}  // namespace epass
