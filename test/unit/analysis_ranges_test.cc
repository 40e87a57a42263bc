// In random functions every number that a value gets lies in its range, where it is made and where it is
// read.

#include <gtest/gtest.h>

#include <map>

#include "analysis/analyses.h"
#include "analysis/ranges.h"
#include "ir/interpret.h"
#include "ir/text.h"
#include "random_function.h"

namespace epass {
namespace {

class Watcher {
 public:
  Watcher(const Function& fn, const Ranges& ranges) : fn_(fn), ranges_(ranges) {}

  void operator()(Value v, std::optional<uint64_t> number) {
    const Inst i = fn_.def(v);
    const Block b = i ? fn_.insts[i].block : fn_.values[v].block;
    if (i)
      for (Value operand : fn_.operands(i)) check(operand, b);
    now_[v] = number;
    check(v, b);
  }
  uint64_t bounded = 0, checked = 0;
  std::string wrong = {};

 private:
  void check(Value v, Block b) {
    const auto number = now_[fn_.resolve(v)];
    if (!number) return;
    const Scalar range = ranges_.at(v, b);
    ++checked;
    bounded += range != Scalar{};
    if (!range.contains(*number) && wrong.empty())
      wrong = "value " + std::to_string(v.index) + " is " + std::to_string(*number);
  }

  const Function& fn_;
  const Ranges& ranges_;
  std::map<Value, std::optional<uint64_t>> now_;
};

TEST(AnalysisRanges, ContainEveryNumberThatAValueGets) {
  constexpr Ranges::Options kOptions[] = {{}, {true, false}, {false, true}, {true, true}};
  constexpr uint64_t kFunctions = 1500, kInputs = 4;
  const Symbols symbols;
  uint64_t bounded = 0, checked = 0;
  for (uint64_t seed = 0; seed < kFunctions; ++seed) {
    const Function fn = RandomFunction(seed).make();
    Analyses known(fn, symbols);
    for (const Ranges::Options& options : kOptions) {
      const Ranges ranges(fn, known.cfg(), known.dominators(), known.users(), known.memory(), options);
      for (uint64_t input = 0; input < kInputs; ++input) {
        Watcher watcher(fn, ranges);
        interpret(fn, symbols, {}, {.seed = input, .steps = 1000, .watch = std::ref(watcher)});
        ASSERT_EQ(watcher.wrong, "") << "seed " << seed << "\n" << print(fn, symbols);
        bounded += watcher.bounded, checked += watcher.checked;
      }
    }
  }
  // Otherwise the ranges say nothing, and this compares nothing.
  EXPECT_GT(bounded, checked / 3) << checked;
}

}  // namespace
}  // namespace epass
