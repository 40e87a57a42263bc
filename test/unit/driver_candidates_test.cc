// Several ways to make code: what counts as better, and that the best is taken.

#include <gtest/gtest.h>

#include "bpf/x86_size.h"
#include "driver/candidates.h"
#include "lift/lift.h"
#include "object/dump.h"
#include "pass/pipeline.h"
#include "passes/registry.h"

namespace epass::driver {
namespace {

using bpf::make_insn;

constexpr bpf::Insn kLeave = make_insn(bpf::kCodeExit, 0, 0, 0, 0);

bpf::NewCode code_of(std::vector<bpf::Insn> insns) {
  bpf::NewCode code;
  code.insns = std::move(insns);
  return code;
}

// Four stores of zero from a register: five records, but less machine code than four immediates.
std::vector<bpf::Insn> zeros() {
  std::vector<bpf::Insn> insns = {make_insn(bpf::kAlu64 | bpf::kMov, 1, 0, 0, 0)};
  for (int16_t off = -8; off >= -32; off = int16_t(off - 8))
    insns.push_back(make_insn(bpf::kStx | bpf::kMem | bpf::kDw, 10, 1, off, 0));
  insns.push_back(make_insn(bpf::kLdx | bpf::kMem | bpf::kDw, 0, 10, -8, 0));
  insns.push_back(kLeave);
  return insns;
}

const CodeSize kZeros{.insns = uint32_t(zeros().size()), .x86 = bpf::x86_size(zeros(), {})};

bpf::NewCode compile(const bpf::Program& program, Selection selection) {
  auto fn = lift(program, bpf::FunctionId{0}, analyze_calls(program));
  EXPECT_TRUE(fn);
  auto stages = parse_pipeline("immediates,dce", {all_passes(), level_pipeline});
  EXPECT_TRUE(stages);
  Counters counters;
  EXPECT_TRUE(run_pipeline(*fn, *stages, program.symbols, bpf::Isa::kV3, counters, {}));
  auto code = lower_best(std::move(*fn), kZeros, program.symbols, {.tidy = true}, selection);
  EXPECT_TRUE(code);
  return std::move(*code);
}

TEST(Candidates, ObjectivesDiffer) {
  auto program = object::split_flat(zeros(), "test");
  ASSERT_TRUE(program);
  const bpf::NewCode fewest = compile(*program, {.effort = Effort::kFew, .objective = Objective::kSize});
  EXPECT_EQ(fewest.insns.size(), zeros().size() - 1);
  EXPECT_GT(bpf::x86_size(fewest.insns, {}), kZeros.x86);
  const bpf::NewCode balanced =
      compile(*program, {.effort = Effort::kFew, .objective = Objective::kBalanced});
  EXPECT_LE(balanced.insns.size(), zeros().size());
  EXPECT_LE(bpf::x86_size(balanced.insns, {}), kZeros.x86);
}

TEST(Candidates, ARecordLessIsWorthOneByteMore) {
  const Selection balanced{.effort = Effort::kFew};
  const CodeSize was{.insns = 20, .x86 = 100};
  EXPECT_EQ(why_not({.insns = 20, .x86 = 100}, was, balanced), "");
  EXPECT_EQ(why_not({.insns = 19, .x86 = 101}, was, balanced), "");
  EXPECT_NE(why_not({.insns = 19, .x86 = 102}, was, balanced), "");
  EXPECT_NE(why_not({.insns = 20, .x86 = 101}, was, balanced), "");
  EXPECT_EQ(why_not({.insns = 10, .x86 = 115}, was, balanced), "");
  const Selection small{.effort = Effort::kFew, .objective = Objective::kSize};
  EXPECT_EQ(why_not({.insns = 19, .x86 = 120}, was, small), "");
}

TEST(Candidates, MuchMoreWorkForTheVerifierIsNotWorthIt) {
  const Selection balanced{.effort = Effort::kFew};
  const CodeSize was{.insns = 80, .x86 = 400, .work = 88};
  EXPECT_EQ(why_not({.insns = 78, .x86 = 390, .work = 120}, was, balanced), "");
  EXPECT_EQ(why_not({.insns = 78, .x86 = 390, .work = 121}, was, balanced),
            "the verifier would walk 121 instructions instead of 88");
  EXPECT_EQ(
      why_not({.insns = 78, .x86 = 390, .work = 1200}, {.insns = 80, .x86 = 400, .work = 1000}, balanced),
      "");
  EXPECT_EQ(why_not({.insns = 78, .x86 = 390, .work = 121}, was,
                    {.effort = Effort::kFew, .objective = Objective::kSize}),
            "");
}

// Ways that meet before the verifier keeps a state again: what follows is walked several times.
TEST(Candidates, TheVerifiersWalkIsACost) {
  constexpr bpf::Insn test = make_insn(bpf::kJmp | bpf::kJeq, 1, 0, 1, 0),
                      plain = make_insn(bpf::kAlu64 | bpf::kMov, 0, 0, 0, 0);
  std::vector<bpf::Insn> early, late;
  for (int n = 0; n < 2; ++n) early.insert(early.end(), {test, plain});
  early.insert(early.end(), 60, plain);
  late.insert(late.end(), 60, plain);
  for (int n = 0; n < 2; ++n) late.insert(late.end(), {test, plain});
  early.push_back(kLeave), late.push_back(kLeave);
  const CodeSize was = size_of(late, {});
  EXPECT_GT(size_of(early, {}).work, was.work + 50);
  for (Objective objective : {Objective::kBalanced, Objective::kVerifier})
    EXPECT_GT(cost_of(code_of(early), objective, was), cost_of(code_of(late), objective, was));
  EXPECT_EQ(cost_of(code_of(early), Objective::kSize, was), cost_of(code_of(late), Objective::kSize, was));
}

// Large functions, too, take constants from registers before their machine code grows.
TEST(Candidates, LargeFunctionsPoolConstantsIfTheyWouldGrow) {
  std::vector<bpf::Insn> insns = {make_insn(bpf::kAlu64 | bpf::kMov, 1, 0, 0, 0)};
  for (int n = 0; n < 1200; ++n)
    insns.push_back(make_insn(bpf::kStx | bpf::kMem | bpf::kDw, 10, 1, int16_t(-8 * (1 + n % 60)), 0));
  insns.push_back(make_insn(bpf::kLdx | bpf::kMem | bpf::kDw, 0, 10, -8, 0));
  insns.push_back(kLeave);
  auto program = object::split_flat(insns, "test");
  ASSERT_TRUE(program);
  auto fn = lift(*program, bpf::FunctionId{0}, analyze_calls(*program));
  ASSERT_TRUE(fn);
  auto stages = parse_pipeline("immediates,dce", {all_passes(), level_pipeline});
  ASSERT_TRUE(stages);
  Counters counters;
  ASSERT_TRUE(run_pipeline(*fn, *stages, program->symbols, bpf::Isa::kV3, counters, {}));
  const CodeSize was{.insns = uint32_t(insns.size()), .x86 = bpf::x86_size(insns, {})};
  Function copy = *fn;
  const Selection balanced{.effort = Effort::kFew};
  auto bounded = lower_best(std::move(*fn), was, program->symbols, {}, balanced);
  ASSERT_TRUE(bounded);
  EXPECT_LE(bpf::x86_size(bounded->insns, {}), was.x86);
  auto free =
      lower_best(std::move(copy), {.insns = was.insns, .x86 = 2 * was.x86}, program->symbols, {}, balanced);
  ASSERT_TRUE(free);
  EXPECT_GT(bpf::x86_size(free->insns, {}), was.x86);
}

TEST(Candidates, ASearchIsNeverWorseAndAlwaysTheSame) {
  auto program = object::split_flat(zeros(), "test");
  ASSERT_TRUE(program);
  for (Objective objective :
       {Objective::kBalanced, Objective::kSize, Objective::kSpeed, Objective::kVerifier}) {
    const bpf::NewCode few = compile(*program, {.effort = Effort::kFew, .objective = objective});
    const bpf::NewCode more = compile(*program, {.effort = Effort::kSearch, .objective = objective});
    EXPECT_LE(cost_of(more, objective, kZeros), cost_of(few, objective, kZeros));
    EXPECT_EQ(more.insns, compile(*program, {.effort = Effort::kSearch, .objective = objective}).insns);
  }
}

TEST(Candidates, LoopsCount) {
  const bpf::Insn multiply = make_insn(bpf::kAlu64 | bpf::kMul, 0, 0, 0, 3),
                  plain = make_insn(bpf::kAlu64, 1, 0, 0, 3);
  const bpf::Insn again = make_insn(bpf::kJmp | bpf::kJlt, 1, 0, -2, 9);
  EXPECT_GT(cost_of(code_of({plain, multiply, again, kLeave}), Objective::kSpeed, {}),
            cost_of(code_of({multiply, plain, again, kLeave}), Objective::kSpeed, {}) - 1);
  EXPECT_GT(cost_of(code_of({plain, multiply, again, kLeave}), Objective::kSpeed, {}),
            cost_of(code_of({plain, multiply, kLeave}), Objective::kSpeed, {}) * 4);
}

TEST(Candidates, MoreRecordsThanTheInputAreTheWorst) {
  const bpf::NewCode two = code_of({make_insn(bpf::kAlu64 | bpf::kMov, 0, 0, 0, 0), kLeave});
  for (Objective objective :
       {Objective::kBalanced, Objective::kSize, Objective::kSpeed, Objective::kVerifier})
    EXPECT_GT(cost_of(two, objective, {.insns = 1}), 1e6);
}

}  // namespace
}  // namespace epass::driver
