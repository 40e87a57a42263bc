// What judges ask of a run: they watch it, and decide parts of its world.

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>

#include "bpf/assemble.h"
#include "object/dump.h"
#include "vm/places.h"
#include "vm/vm.h"

namespace epass::vm {
namespace {

bpf::Program program_of(const std::string& text) {
  auto assembly = bpf::assemble(text);
  auto insns = assembly ? bpf::flat_code(*assembly) : fail(assembly.error());
  auto program = insns ? object::split_flat(*insns, "test") : fail(insns.error());
  if (!program) ADD_FAILURE() << program.error().message, std::abort();
  return std::move(*program);
}

struct Notes : Observer {
  std::vector<std::array<uint64_t, 3>> answers, fills;
  std::vector<uint32_t> steps;
  std::vector<uint64_t> r2;
  void at(bpf::FunctionId, uint32_t insn, const uint64_t* registers) override {
    steps.push_back(insn), r2.push_back(registers[2]);
  }
  void answered(uint64_t call, uint64_t value) override { answers.push_back({call, value, 0}); }
  void filled(uint64_t to, uint64_t from, uint32_t size) override { fills.push_back({to, from, size}); }
};

TEST(VmObserver, SeesRegistersAndDecidesMemory) {
  const auto program =
      program_of("r3 = r1\nr2 = *(u32 *)(r1 + 16)\nr0 = 1\nif r2 == 77 goto +1\nr0 = 2\nexit\n");
  Notes notes;
  Input input{.packet = std::vector<uint8_t>(32, 7)};
  Outcome out = run(program, bpf::FunctionId{0}, input, {.observer = &notes});
  EXPECT_EQ(out.r0, 2u);
  EXPECT_EQ(notes.steps, (std::vector<uint32_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(notes.r2[3], 0x07070707u);
  for (uint64_t n = 0; n < 4; ++n) input.bytes[kContextBase + 16 + n] = n ? 0 : 77;
  EXPECT_EQ(run(program, bpf::FunctionId{0}, input).r0, 1u);
}

TEST(VmObserver, DataThatTheInputDecidesHasNotChanged) {
  const auto program = program_of("r1 = map_value#7 ll\nr0 = *(u8 *)(r1 + 3)\nexit\n");
  Input input;
  // By the number of its symbol.
  for (uint64_t n = 0; n < program.symbols.size(); ++n) input.bytes[kDataBase + (n << 33) + 3] = 99;
  const Outcome out = run(program, bpf::FunctionId{0}, input);
  EXPECT_EQ(out.r0, 99u) << out.error;
  EXPECT_EQ(out.memory.size(), 2u) << "ctx, foreign";
}

TEST(VmObserver, LookupsCanBeDecided) {
  const auto program = program_of(
      "r1 = 5\n*(u32 *)(r10 - 4) = r1\nr1 = map_fd#3 ll\nr2 = r10\nr2 += -4\ncall 1\nif r0 == 0 goto +1\nr0 "
      "= 1\nexit\n");
  Input input;
  for (uint64_t found : {0, 1}) {
    input.answers[Observer::kLookups] = found;
    EXPECT_EQ(run(program, bpf::FunctionId{0}, input).r0, found);
  }
}

TEST(VmObserver, AnswersAndOutputsOfHelpersCanBeDecided) {
  const auto program = program_of(
      "r1 = r10\nr1 += -16\nr2 = 16\ncall 16\nr6 = r0\ncall 5\nr0 += r6\nr1 = *(u8 *)(r10 - 13)\nr0 += "
      "r1\nexit\n");
  Notes notes;
  Input input;
  run(program, bpf::FunctionId{0}, input, {.observer = &notes});
  ASSERT_EQ(notes.answers.size(), 2u);
  ASSERT_EQ(notes.fills.size(), 1u);
  EXPECT_EQ(notes.fills[0][2], 16u);
  input.answers = {{notes.answers[0][0], 100}, {notes.answers[1][0], 20}};
  input.bytes[notes.fills[0][1] + 3] = 3;
  EXPECT_EQ(run(program, bpf::FunctionId{0}, input).r0, 123u);
}

TEST(VmObserver, FramesAndFreshStackAreIndeterminate) {
  const auto program = program_of("r0 = *(u8 *)(r10 - 8)\nr1 = 1\n*(u64 *)(r10 - 16) = r1\nexit\n");
  Input input;
  for (input.seed = 1; input.seed < 50; ++input.seed) {
    input.indeterminate = 0;
    const uint64_t first = run(program, bpf::FunctionId{0}, input).r0;
    input.indeterminate = 1;
    EXPECT_NE(run(program, bpf::FunctionId{0}, input).r0, first);
  }
  const auto address = program_of("r0 = r10\nexit\n");
  const uint64_t one = run(address, bpf::FunctionId{0}, input).r0;
  input.indeterminate = 0;
  EXPECT_NE(run(address, bpf::FunctionId{0}, input).r0, one);
}

TEST(VmObserver, BuffersAndContentsAreKept) {
  const auto program = program_of(
      "r6 = r1\nr1 = 0x11223344\n*(u32 *)(r10 - 8) = r1\n*(u32 *)(r6 + 0) = r1\nr1 = r10\nr1 += -8\nr2 = "
      "4\ncall 6\n"
      "r0 = 0\nexit\n");
  const Outcome out =
      run(program, bpf::FunctionId{0}, {.packet = std::vector<uint8_t>(8)}, {.keep_contents = true});
  ASSERT_EQ(out.events.size(), 1u) << out.error;
  EXPECT_EQ(out.events[0].bytes, (std::vector<uint8_t>{0x44, 0x33, 0x22, 0x11}));
  ASSERT_TRUE(out.contents.contains("ctx"));
  EXPECT_EQ(out.contents.at("ctx")[0], 0x44);
}

}  // namespace
}  // namespace epass::vm
