// The loop over functions, with invented stages: fallbacks, selection, sizes, threads.

#include <gtest/gtest.h>

#include "driver/compile.h"
#include "driver/glob.h"

namespace epass::driver {
namespace {

using bpf::Insn;

constexpr Insn kExit = bpf::make_insn(bpf::kCodeExit, 0, 0, 0, 0);
constexpr Insn kMov = bpf::make_insn(bpf::kAlu64 | bpf::kMov, 0, 0, 0, 1);

bpf::Program program_with(uint32_t count) {
  bpf::Program program{.name = "test.o"};
  for (uint32_t i = 0; i < count; ++i) {
    bpf::Function fn;
    fn.name = "f" + std::to_string(i);
    fn.section = "xdp";
    fn.is_entry = true;
    fn.insns = {kMov, kMov, kExit};
    program.functions.add(fn);
  }
  return program;
}

// Lifts to nothing; lowers to `size` instructions, or fails.
Stages fake(uint32_t size, std::string fails_for = "") {
  return {
      .lift = [](const bpf::Program& program, bpf::FunctionId id, const CallFacts&) -> Result<Function> {
        Function fn;
        fn.name = program.functions[id].name;
        return fn;
      },
      .optimize = [](Function&, const Symbols&, bpf::Isa) -> Result<void> { return {}; },
      .lower = [=](const Function& fn, CodeSize, const LowerOptions&) -> Result<bpf::NewCode> {
        if (fn.name == fails_for) return fail("stack-limit", "too much stack");
        bpf::NewCode code;
        code.insns.assign(size, kExit);
        for (uint32_t i = 0; i < size; ++i) code.origin.push_back(0);
        return code;
      },
  };
}

TEST(DriverCompile, NewCodeIsTaken) {
  auto done = compile_program(program_with(3), {}, fake(2));
  ASSERT_TRUE(done);
  ASSERT_EQ(done->functions.size(), 3u);
  for (const FunctionOutcome& out : done->functions) {
    EXPECT_EQ(out.insns_in, 3u);
    EXPECT_EQ(out.insns_out, 2u);
    EXPECT_TRUE(out.code);
    EXPECT_FALSE(out.kept);
  }
}

TEST(DriverCompile, OneBadFunctionIsKeptAndSaid) {
  auto done = compile_program(program_with(3), {}, fake(2, "f1"));
  ASSERT_TRUE(done);
  const FunctionOutcome& out = done->functions[1];
  ASSERT_TRUE(out.kept);
  EXPECT_EQ(out.kept->code, "stack-limit");
  EXPECT_EQ(out.kept->where.function, "f1");
  EXPECT_EQ(out.kept->where.section, "xdp");
  EXPECT_FALSE(out.code);
  EXPECT_EQ(out.insns_out, 3u);
  EXPECT_TRUE(done->functions[0].code);
  EXPECT_TRUE(done->functions[2].code);
}

TEST(DriverCompile, KeepReasonIsHonoured) {
  bpf::Program program = program_with(1);
  program.functions[bpf::FunctionId{0}].keep_reason = "its jump table cannot be read";
  auto done = compile_program(program, {}, fake(2));
  ASSERT_TRUE(done);
  ASSERT_TRUE(done->functions[0].kept);
  EXPECT_EQ(done->functions[0].kept->message, "its jump table cannot be read");
  EXPECT_FALSE(done->functions[0].code);
}

TEST(DriverCompile, NeverLargerUnlessAllowedOrNeeded) {
  auto kept = compile_program(program_with(1), {}, fake(4));
  ASSERT_TRUE(kept);
  ASSERT_TRUE(kept->functions[0].kept);
  EXPECT_EQ(kept->functions[0].kept->code, "larger");
  EXPECT_EQ(kept->functions[0].insns_out, 3u);

  auto allowed = compile_program(program_with(1), {.never_larger = false}, fake(4));
  ASSERT_TRUE(allowed);
  EXPECT_FALSE(allowed->functions[0].kept);
  EXPECT_EQ(allowed->functions[0].insns_out, 4u);

  // A 32-bit jump does not exist in v1: the new code is needed, however large.
  bpf::Program newer = program_with(1);
  newer.functions[bpf::FunctionId{0}].insns[0] = bpf::make_insn(bpf::kJmp32 | bpf::kJeq, 0, 0, 0, 0);
  auto needed = compile_program(newer, {.isa = bpf::Isa::kV1}, fake(4));
  ASSERT_TRUE(needed);
  EXPECT_EQ(needed->functions[0].insns_out, 4u);
}

// A record less, but a store that takes more bytes than the move that it replaces, and a frame for it.
TEST(DriverCompile, BalancedCodeMayNotPayForARecordWithManyBytes) {
  Stages stages = fake(2);
  stages.lower = [](const Function&, CodeSize, const LowerOptions&) -> Result<bpf::NewCode> {
    bpf::NewCode code;
    code.insns = {bpf::make_insn(bpf::kSt | bpf::kMem | bpf::kDw, 10, 0, -400, 1), kExit};
    code.origin = {0, 0};
    return code;
  };
  auto balanced = compile_program(program_with(1), {.selection = {.effort = Effort::kFew}}, stages);
  ASSERT_TRUE(balanced);
  ASSERT_TRUE(balanced->functions[0].kept);
  EXPECT_EQ(balanced->functions[0].kept->code, "larger");
  EXPECT_EQ(balanced->functions[0].insns_out, 3u);
  const Selection small{.effort = Effort::kFew, .objective = Objective::kSize};
  for (const CompileOptions& options :
       {CompileOptions{.selection = small},
        CompileOptions{.never_larger = false, .selection = {.effort = Effort::kFew}}}) {
    auto taken = compile_program(program_with(1), options, stages);
    ASSERT_TRUE(taken);
    EXPECT_TRUE(taken->functions[0].code);
    EXPECT_EQ(taken->functions[0].insns_out, 2u);
  }
}

TEST(DriverCompile, SelectionTakesCalleesAlong) {
  bpf::Program program = program_with(4);
  bpf::Symbol callee{.kind = bpf::Symbol::Kind::kFunc, .name = "f2"};
  callee.function = bpf::FunctionId{2};
  program.functions[bpf::FunctionId{0}].attachments.push_back({0, program.symbols.add(callee)});
  auto done = compile_program(program, {.programs = {"f0"}}, fake(2));
  ASSERT_TRUE(done);
  std::string selected;
  for (const FunctionOutcome& out : done->functions) selected += out.code ? '1' : '0';
  EXPECT_EQ(selected, "1010");

  auto unknown = compile_program(program, {.programs = {"g*"}}, fake(2));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, "unknown-program");
  EXPECT_EQ(unknown.error().notes[0], "it has `f0`, `f1`, `f2`, `f3`");
}

TEST(DriverCompile, ThreadsDoNotShow) {
  const bpf::Program program = program_with(200);
  Stages stages = fake(2, "f77");
  auto one = compile_program(program, {.threads = 1}, stages);
  auto many = compile_program(program, {.threads = 8}, stages);
  ASSERT_TRUE(one && many);
  for (size_t i = 0; i < 200; ++i) {
    EXPECT_EQ(one->functions[i].kept.has_value(), many->functions[i].kept.has_value());
    EXPECT_EQ(one->functions[i].code.has_value(), many->functions[i].code.has_value());
  }
}

TEST(DriverCompile, AutomaticIsa) {
  bpf::Program program = program_with(1);
  EXPECT_EQ(automatic_isa(program), bpf::Isa::kV3);
  program.functions[bpf::FunctionId{0}].insns[0] = bpf::make_insn(bpf::kCodeGotol, 0, 0, 0, 0);
  EXPECT_EQ(automatic_isa(program), bpf::Isa::kV4);
}

TEST(DriverGlob, Patterns) {
  EXPECT_TRUE(glob_matches("tcp_*", "tcp_v4_connect"));
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_TRUE(glob_matches("a?c*e", "abcde"));
  EXPECT_TRUE(glob_matches("*a*b", "xxaxxbxb"));
  EXPECT_FALSE(glob_matches("tcp_*", "udp_tcp_"));
  EXPECT_FALSE(glob_matches("a?", "a"));
  EXPECT_FALSE(glob_matches("", "a"));
}

}  // namespace
}  // namespace epass::driver
