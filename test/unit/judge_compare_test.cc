// The comparison of two programs: it finds what differs, and nothing where only what is undefined does.

#include <gtest/gtest.h>

#include <cstdlib>

#include "bpf/assemble.h"
#include "judge/coverage.h"
#include "judge/judge.h"
#include "judge/world.h"
#include "object/dump.h"

namespace epass::judge {
namespace {

bpf::Program program_of(const std::string& text) {
  auto assembly = bpf::assemble(text);
  auto insns = assembly ? bpf::flat_code(*assembly) : fail(assembly.error());
  auto program = insns ? object::split_flat(*insns, "test") : fail(insns.error());
  if (!program) ADD_FAILURE() << program.error().message << "\n" << text, std::abort();
  return std::move(*program);
}

Verdict verdict_of(const std::string& a, const std::string& b, vm::Context context = vm::Context::kRaw,
                   uint64_t inputs = 256) {
  const bpf::Program first = program_of(a), second = aligned(first, program_of(b));
  const vm::Executable first_code(first), second_code(second);
  return compare({first_code, bpf::FunctionId{0}}, {second_code, bpf::FunctionId{0}},
                 {.inputs = inputs, .context = context, .options = options_of(first, nullptr)});
}

TEST(JudgeCompare, TheSameIsTheSame) {
  const std::string text = "r0 = *(u32 *)(r1 + 4)\nif r0 > 9 goto +1\nr0 += 3\nexit\n";
  const Verdict v = verdict_of(text, text);
  EXPECT_FALSE(v.difference);
  EXPECT_EQ(v.inputs, 256u);
  EXPECT_EQ(v.blocks, 3u);
  EXPECT_EQ(v.covered, 3u);
  EXPECT_EQ(v.undecided, 0u);
}

TEST(JudgeCompare, ResultsCallsAndMemoryCount) {
  EXPECT_TRUE(verdict_of("r0 = 1\nexit\n", "r0 = 2\nexit\n").difference);
  EXPECT_TRUE(verdict_of("call 5\nr0 = 1\nexit\n", "call 7\nr0 = 1\nexit\n").difference);
  EXPECT_TRUE(verdict_of("call 5\nr0 = 1\nexit\n", "r0 = 1\nexit\n").difference);
  EXPECT_TRUE(verdict_of("r0 = 1\nexit\n", "call 5\nr0 = 1\nexit\n").difference);
  EXPECT_TRUE(
      verdict_of("*(u32 *)(r1 + 0) = 7\nr0 = 1\nexit\n", "*(u16 *)(r1 + 0) = 7\nr0 = 1\nexit\n").difference);
}

TEST(JudgeCompare, EndlessLoopsAndUndefinedReadsOfTheSecondCount) {
  const Verdict v = verdict_of("r0 = 1\nexit\n", "r0 = 1\ngoto -1\nexit\n");
  ASSERT_TRUE(v.difference);
  EXPECT_NE(v.difference->why.find("instructions"), std::string::npos) << v.difference->why;
  EXPECT_TRUE(verdict_of("r0 = 1\nexit\n", "r0 = r7\nr0 = 1\nexit\n").difference);
  // But not of the original.
  const Verdict open = verdict_of("r0 = r7\nexit\n", "r0 = 1\nexit\n");
  EXPECT_FALSE(open.difference);
  EXPECT_EQ(open.undecided, open.inputs);
}

TEST(JudgeCompare, FreshStackAndFrameAddressesDecideNothing) {
  // r0 is what the stack happened to hold.
  EXPECT_FALSE(verdict_of("r0 = *(u64 *)(r10 - 8)\nexit\n", "r0 = 0\nexit\n").difference);
  EXPECT_FALSE(
      verdict_of("r0 = *(u8 *)(r10 - 8)\nif r0 == 0 goto +2\nr0 = 1\nexit\nr0 = 2\nexit\n", "r0 = 2\nexit\n")
          .difference);
  // A key at another place of the frame, and what lies around it.
  const std::string key_at =
      "*(u32 *)(r10 - {0}) = 5\nr2 = r10\nr2 += -{0}\nr1 = map_fd#3 ll\ncall 1\nr0 = 0\nexit\n";
  auto at = [&](const std::string& place) {
    std::string text = key_at;
    for (size_t n; (n = text.find("{0}")) != std::string::npos;) text.replace(n, 3, place);
    return text;
  };
  EXPECT_FALSE(verdict_of(at("8"), at("16")).difference);
  std::string other = at("16");
  other.replace(other.find("= 5"), 3, "= 6");
  EXPECT_TRUE(verdict_of(at("8"), other).difference);
  // An address of the stack in the context.
  EXPECT_FALSE(verdict_of("*(u64 *)(r1 + 0) = r10\nr0 = 0\nexit\n",
                          "r2 = r10\nr2 += -8\n*(u64 *)(r1 + 0) = r2\nr0 = 0\nexit\n")
                   .difference);
  // Padding in a buffer that a helper reads: byte 1 counts, bytes 2 to 7 do not.
  const std::string print = "r1 = r10\nr1 += -8\nr2 = 8\ncall 6\nr0 = 0\nexit\n";
  EXPECT_FALSE(verdict_of("*(u16 *)(r10 - 8) = 300\n" + print, "r1 = 300\n*(u64 *)(r10 - 8) = r1\n" + print)
                   .difference);
  EXPECT_TRUE(verdict_of("*(u16 *)(r10 - 8) = 300\n" + print, "r1 = 44\n*(u64 *)(r10 - 8) = r1\n" + print)
                  .difference);
}

TEST(JudgeCompare, FaultsOfTheOriginalDecideOnlyWhatWasBefore) {
  const std::string fault = "r2 = *(u64 *)(r10 + 64)\n";
  EXPECT_FALSE(
      verdict_of("call 5\n" + fault + "call 7\nr0 = 1\nexit\n", "call 5\nr0 = 2\nexit\n").difference);
  EXPECT_TRUE(verdict_of("call 5\n" + fault + "r0 = 1\nexit\n", "r0 = 2\nexit\n").difference);
  EXPECT_TRUE(verdict_of("r0 = 1\nexit\n", fault + "r0 = 1\nexit\n").difference);
}

// Each hides a difference behind comparisons that chance does not meet.
TEST(JudgeCompare, InputsAreSteered) {
  auto finds = [](const std::string& path, vm::Context context = vm::Context::kRaw) {
    const Verdict v =
        verdict_of("r0 = 0\n" + path + "r0 = 1\nexit\n", "r0 = 0\n" + path + "r0 = 2\nexit\n", context);
    EXPECT_TRUE(v.difference) << path << v.covered << " of " << v.blocks;
    return v.inputs;
  };
  // A word of the context, in either byte order, masked and shifted, and after a sum.
  finds("r2 = *(u32 *)(r1 + 40)\nif r2 == 305419896 goto +1\nexit\n");
  finds("r2 = *(u32 *)(r1 + 40)\nr2 = be32 r2\nif r2 == 305419896 goto +1\nexit\n");
  finds("r2 = *(u64 *)(r1 + 40)\nr2 >>= 13\nr2 &= 0xffff\nr2 += -77\nif r2 == 1000 goto +1\nexit\n");
  finds("r2 = *(u64 *)(r1 + 40)\nr3 = *(u64 *)(r1 + 80)\nif r2 == r3 goto +1\nexit\n");
  // Several in a row.
  finds(
      "r2 = *(u32 *)(r1 + 0)\nif r2 == 12345678 goto +1\nexit\nr2 = *(u32 *)(r1 + 8)\nif r2 == 87654321 goto "
      "+1\nexit\n"
      "r2 = *(u64 *)(r1 + 16)\nr3 = 0x1122334455667788 ll\nif r2 == r3 goto +1\nexit\n");
  // Put together from bytes, and kept on the stack in between.
  finds(
      "r2 = *(u8 *)(r1 + 3)\nr3 = *(u8 *)(r1 + 9)\nr3 <<= 8\nr2 |= r3\n*(u64 *)(r10 - 8) = r2\nr4 = *(u16 "
      "*)(r10 - 8)\n"
      "if r4 == 51966 goto +1\nexit\n");
  // What helpers return and write, and whether a lookup finds something.
  finds("call 5\nif r0 == 123456789 goto +2\nr0 = 0\nexit\n");
  finds(
      "r1 = r10\nr1 += -16\nr2 = 16\ncall 16\nr3 = *(u32 *)(r10 - 12)\nr0 = 0\nif r3 == 1819043176 goto "
      "+1\nexit\n");
  // A packet's type and length.
  finds(
      "r6 = r1\nr2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr4 = r2\nr4 += 1000\nif r4 <= r3 goto "
      "+1\nexit\n"
      "r5 = *(u16 *)(r2 + 998)\nif r5 == 43690 goto +1\nexit\n",
      vm::Context::kXdp);
}

TEST(JudgeCompare, InputsAreMinimised) {
  const std::string text =
      "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr0 = 2\nr4 = r2\nr4 += 14\nif r4 > r3 goto +3\nr5 = "
      "*(u16 *)(r2 + 12)\n"
      "if r5 != 8 goto +1\nr0 = {}\nexit\n";
  auto with = [&](const std::string& result) {
    std::string copy = text;
    return copy.replace(copy.find("{}"), 2, result);
  };
  const Verdict v = verdict_of(with("1"), with("3"), vm::Context::kXdp);
  ASSERT_TRUE(v.difference);
  std::vector<uint8_t> expected(14);
  expected[12] = 8;
  EXPECT_EQ(v.difference->input.packet, expected);
  EXPECT_TRUE(v.difference->input.bytes.empty());
  EXPECT_EQ(v.difference->why, "returns 0x1 against 0x3");
}

// Nothing tells how large the values of a dump's maps are.
TEST(JudgeCompare, ValuesAreAsLargeAsTheProgramTakesThemToBe) {
  const std::string text =
      "r1 = 0\n*(u32 *)(r10 - 4) = r1\nr1 = map_fd#3 ll\nr2 = r10\nr2 += -4\ncall 1\nr6 = r0\nr0 = 0\n"
      "if r6 == 0 goto +3\nr6 += 131082\nr1 = 7\n*(u8 *)(r6 + 0) = r1\nr0 = ";
  EXPECT_TRUE(verdict_of(text + "1\nexit\n", text + "2\nexit\n").difference);
  const Verdict v = verdict_of(text + "1\nexit\n", text + "1\nexit\n");
  EXPECT_FALSE(v.difference);
  EXPECT_EQ(v.faults, 0u);
}

TEST(JudgeCompare, SubprogramsAndCallbacksCount) {
  const std::string text = "r1 = 5\ncall f\nr0 += 1\nexit\nf:\nr0 = r1\nif r0 == 5 goto +1\nr0 = 0\nexit\n";
  const bpf::Program program = program_of(text);
  EXPECT_EQ(Coverage(program, bpf::FunctionId{0}).blocks(), 4u);
  const Verdict v = verdict_of(text, text, vm::Context::kRaw, 8);
  EXPECT_EQ(v.covered, 3u);
}

TEST(JudgeWorld, FunctionsAndSymbolsKeepTheirPlaces) {
  const bpf::Program a = program_of("r1 = map_fd#3 ll\nr1 = map_fd#4 ll\ncall f\nexit\nf:\nr0 = 0\nexit\n");
  const bpf::Program b = program_of("r1 = map_fd#4 ll\nr1 = map_fd#3 ll\ncall f\nexit\nf:\nr0 = 0\nexit\n");
  const bpf::Program moved = aligned(a, b);
  ASSERT_EQ(moved.symbols.size(), a.symbols.size());
  for (uint32_t n = 0; n < a.symbols.size(); ++n)
    EXPECT_EQ(moved.symbols[bpf::SymbolId{n}].name, a.symbols[bpf::SymbolId{n}].name);
}

}  // namespace
}  // namespace epass::judge
