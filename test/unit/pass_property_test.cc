// Every pass, alone and in any order, leaves random functions valid and doing what they did, and says truly
// whether it changed something. The text of every function reads back.

#include <gtest/gtest.h>

#include <cstdlib>

#include "ir/interpret.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "pass/pipeline.h"
#include "passes/registry.h"
#include "random_function.h"

namespace epass {
namespace {

// bench/random asks for more.
const uint64_t kFunctions = [] {
  const char* text = std::getenv("EPASS_FUNCTIONS");
  return text ? std::strtoull(text, nullptr, 10) : 600;
}();
constexpr uint64_t kInputs = 4;
uint64_t pipelines_run = 0, inputs_compared = 0;

// "" or what is wrong after `pipeline`.
std::string judge(const Function& original, const std::string& pipeline) {
  auto stages = parse_pipeline(pipeline, {.passes = all_passes(), .level = level_pipeline});
  if (!stages) return stages.error().message;
  Function fn = original, previous = original;
  Symbols symbols;
  Counters counters;
  std::string wrong;
  PassHooks hooks{.verify_each = true};
  hooks.after = [&](const PassInfo& pass, const Function& now, Changed changed) {
    if (!wrong.empty()) return;
    if (auto ok = verify(now); !ok) return;  // reported by the pipeline
    std::string where = "after " + std::string(pass.name) + ": ";
    if (changed == Changed::kNothing && print(now, symbols) != print(previous, symbols))
      wrong = where + "it said that nothing changed";
    std::string text = print(now, symbols);
    auto module = parse(text);
    if (!module || print(module->functions[0], symbols) != text)
      wrong = where + "its text does not read back";
    for (uint64_t seed = 0; seed < kInputs && wrong.empty(); ++seed) {
      Behaviour a = interpret(previous, symbols, {}, {.seed = seed, .steps = 2000});
      Behaviour b = interpret(now, symbols, {}, {.seed = seed, .steps = 8000});
      std::string what = difference(a, b);
      ++inputs_compared;
      if (!what.empty()) wrong = where + "seed " + std::to_string(seed) + ": " + what;
    }
    if (!wrong.empty()) wrong += "\nbefore:\n" + print(previous, symbols) + "after:\n" + print(now, symbols);
    previous = now;
  };
  ++pipelines_run;
  auto done = run_pipeline(fn, *stages, symbols, bpf::Isa::kV3, counters, hooks);
  if (!wrong.empty()) return wrong;
  return done ? "" : done.error().message + "\nbefore:\n" + print(previous, symbols);
}

TEST(PassProperty, RandomFunctionsAreValidAndTheirTextReadsBack) {
  uint64_t returned = 0;
  for (uint64_t seed = 0; seed < kFunctions; ++seed) {
    Function fn = RandomFunction(seed).make();
    auto ok = verify(fn);
    ASSERT_TRUE(ok) << "seed " << seed << ": " << ok.error().message << "\n" << print(fn, {});
    std::string text = print(fn, {});
    auto module = parse(text);
    ASSERT_TRUE(module) << "seed " << seed << ": " << module.error().message << ":"
                        << module.error().where.line << "\n"
                        << text;
    ASSERT_EQ(print(module->functions[0], {}), text) << "seed " << seed;
    Behaviour a = interpret(fn, {}, {}, {.seed = seed}),
              b = interpret(module->functions[0], {}, {}, {.seed = seed});
    ASSERT_EQ(difference(a, b), "") << "seed " << seed << "\n" << text;
    returned += a.end == Behaviour::End::kReturned;
  }
  // Otherwise this and the other tests compare nothing.
  EXPECT_GT(returned, kFunctions / 2);
}

TEST(PassProperty, EachPassAlone) {
  for (uint64_t seed = 0; seed < kFunctions; ++seed) {
    Function fn = RandomFunction(seed).make();
    for (const PassInfo& pass : all_passes()) {
      if (pass.options.find("FILE") != std::string_view::npos) continue;
      std::string wrong = judge(fn, std::string(pass.name));
      ASSERT_TRUE(wrong.empty()) << "seed " << seed << " " << wrong;
    }
  }
}

TEST(PassProperty, LevelsAndRandomPipelines) {
  for (uint64_t seed = 0; seed < kFunctions; ++seed) {
    RandomFunction random(seed + 100000);
    Function fn = random.make();
    constexpr const char* kLevels[] = {"O1", "O2", "Os"};
    std::string pipelines[] = {kLevels[seed % 3], ""};
    for (int n = 0; n < 6;) {
      const PassInfo& pass = all_passes()[random.pick(uint32_t(all_passes().size()))];
      if (pass.options.find("FILE") != std::string_view::npos) continue;
      pipelines[1] += (n++ ? "," : "") + std::string(pass.name);
    }
    for (const std::string& pipeline : pipelines) {
      std::string wrong = judge(fn, pipeline);
      ASSERT_TRUE(wrong.empty()) << "seed " << seed << " " << pipeline << " " << wrong;
    }
  }
}

TEST(PassProperty, PrintsWhatWasCompared) {
  std::printf("totals judge=ir programs=%llu compilations=%llu runs=%llu failures=%d\n",
              static_cast<unsigned long long>(kFunctions), static_cast<unsigned long long>(pipelines_run),
              static_cast<unsigned long long>(inputs_compared), HasFailure());
}

// The judge itself: it sees a result and a store that change, and a store that is gone.
TEST(PassProperty, TheJudgeSeesDifferences) {
  auto run = [](const char* body) {
    auto module = parse(std::string("function f - \"\" {\nb0(v0):\n") + body + "}\n");
    EXPECT_TRUE(module) << module.error().message;
    return interpret(module->functions[0], module->symbols, {}, {.seed = 1});
  };
  Behaviour base = run("  store.u32 v0+0, 7\n  return v0\n");
  EXPECT_EQ(difference(base, run("  store.u32 v0+0, 7\n  v1 = add v0, 0\n  return v1\n")), "");
  EXPECT_NE(difference(base, run("  store.u32 v0+0, 8\n  return v0\n")), "");
  EXPECT_NE(difference(base, run("  store.u32 v0+4, 7\n  return v0\n")), "");
  EXPECT_NE(difference(base, run("  return v0\n")), "");
  EXPECT_NE(difference(base, run("  store.u32 v0+0, 7\n  v1 = add v0, 1\n  return v1\n")), "");
  EXPECT_NE(difference(base, run("  store.u32 v0+0, 7\n  v1 = undef\n  return v1\n")), "");
  Behaviour call = run(
      "  v1 = load.u64 v0+0\n  v2 = call x#9(v0)\n  v3 = load.u64 v0+0\n  v4 = sub v3, v1\n  return v4\n");
  EXPECT_NE(call.result, 0u) << "a call changes memory";
  EXPECT_NE(difference(call, run("  v2 = call x#9(v0)\n  v4 = sub v2, v2\n  return v4\n")), "");
}

}  // namespace
}  // namespace epass
