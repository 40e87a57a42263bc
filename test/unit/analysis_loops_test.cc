// Loops against their definition, and the guesses of how often blocks run.

#include <gtest/gtest.h>

#include <algorithm>

#include "analysis/loops.h"
#include "ir/builder.h"
#include "ir/text.h"
#include "random_function.h"

namespace epass {
namespace {

// Whether `from` reaches `to` without going through `avoided`.
bool reaches(const Function& fn, Block from, Block to, Block avoided) {
  std::vector<uint8_t> seen(fn.blocks.size(), 0);
  std::vector<Block> work{from};
  while (!work.empty()) {
    const Block b = work.back();
    work.pop_back();
    if (b == avoided || seen[b.index]) continue;
    if (b == to) return true;
    seen[b.index] = 1;
    for (uint32_t n = 0; n < fn.insts[fn.terminator(b)].edge_count; ++n)
      work.push_back(fn.target(fn.terminator(b), n));
  }
  return false;
}

bool in_loop_of(const Function& fn, const Cfg& cfg, const Dominators& dominators, Block header, Block b) {
  for (Edge e : cfg.incoming(header)) {
    const Block latch = cfg.source(e);
    if (!dominators.dominates(header, latch)) continue;
    if (b == header || b == latch || reaches(fn, b, latch, header)) return true;
  }
  return false;
}

TEST(AnalysisLoops, AgreeWithTheDefinition) {
  uint32_t loops_seen = 0, deepest = 0;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    const Function fn = RandomFunction(seed).make();
    const Cfg cfg(fn);
    const Dominators dominators(fn);
    const Loops loops(fn, cfg, dominators);
    for (Block b : cfg.rpo) {
      uint32_t depth = 0;
      bool header = false;
      for (uint32_t k = 0; k < loops.all.size(); ++k) {
        const bool in = in_loop_of(fn, cfg, dominators, loops.all[k].header, b);
        ASSERT_EQ(loops.contains(k, b), in) << "seed " << seed << " b" << b.index << " loop " << k;
        depth += in, header |= loops.all[k].header == b;
      }
      ASSERT_EQ(loops.depth(b), depth) << "seed " << seed << " b" << b.index;
      ASSERT_EQ(header, in_loop_of(fn, cfg, dominators, b, b)) << "seed " << seed << " b" << b.index;
      deepest = std::max(deepest, depth);
    }
    loops_seen += uint32_t(loops.all.size());
  }
  EXPECT_GT(loops_seen, 300u);
  EXPECT_GE(deepest, 2u);
}

Function function_of(const char* text) {
  auto module = parse(text);
  EXPECT_TRUE(module) << (module ? "" : module.error().message);
  return module->functions[0];
}

TEST(AnalysisLoops, FrequenciesFollowLoopsAndReturns) {
  const Function fn = function_of(R"(
function f - "" {
b0(v0:r1):
  jeq v0, 0, b4, b1(v0)
b1(v1):
  jump b2(v1)
b2(v2):
  v3 = sub v2, 1
  jne v3, 0, b2(v3), b3
b3:
  v4 = call bpf_map_lookup_elem#1(v0, v0)
  jeq v4, 0, b4, b5
b4:
  return 0
b5:
  v5 = load.u64 v4+0
  v6 = call bpf_ktime_get_ns#5()
  return v6
}
)");
  const Cfg cfg(fn);
  const Dominators dominators(fn);
  const Loops loops(fn, cfg, dominators);
  const Frequencies often(fn, cfg, loops);
  std::vector<Block> b;
  for (Block each : fn.all_blocks()) b.push_back(each);
  ASSERT_EQ(b.size(), 6u);
  ASSERT_EQ(loops.all.size(), 1u);
  EXPECT_FALSE(loops.all[0].has_calls);
  EXPECT_NEAR(often.of(b[0]), 1, 1e-9);
  EXPECT_NEAR(often.of(b[1]), 0.8, 1e-9);
  EXPECT_NEAR(often.of(b[2]), 6.4, 1e-9);
  EXPECT_NEAR(often.of(b[3]), 0.8, 1e-9);
  EXPECT_NEAR(often.of(b[5]), 0.64, 1e-9);
  EXPECT_NEAR(often.of(b[4]) + often.of(b[5]), 1, 1e-9);
}

}  // namespace
}  // namespace epass
