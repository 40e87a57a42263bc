// What compiled code does in its own way and nobody may notice: the meter that blocks pay in advance,
// registers that hold what checks compare with, short and long jumps.

#include <gtest/gtest.h>

#include "assembled.h"
#include "bpf/assemble.h"
#include "object/dump.h"
#include "vm/jit.h"

namespace epass::vm {
namespace {

std::string run(const Executable& executable, bool compiled, uint64_t budget) {
  Machine machine(executable, {.budget = budget});
  std::vector<uint8_t> bytes(64);
  for (size_t n = 0; n < bytes.size(); ++n) bytes[n] = uint8_t(n * 37);
  const uint64_t data = machine.memory().add("data", kDataBase, std::move(bytes));
  machine.set_helper(6, [](Machine& m, uint64_t value) -> uint64_t { return m.executed() * 1000 + value; });
  std::unique_ptr<Jit> jit;
  if (compiled) {
    auto code = Jit::compile(machine);
    EXPECT_TRUE(code.has_value());
    if (!code) return "";
    jit = std::move(*code);
    EXPECT_TRUE(machine.use(jit.get()).has_value());
  }
  std::string text;
  // The second run knows the regions from the first.
  for (int n = 0; n < (compiled ? 2 : 1); ++n) {
    const Run out = machine.run(0, {data, 64});
    const std::string again = std::to_string(out.r0) + " " + out.fault.message + " at " +
                              std::to_string(out.fault.function) + "+" + std::to_string(out.fault.insn) +
                              " after " + std::to_string(out.executed);
    if (n) { EXPECT_EQ(again, text); }
    text = again;
  }
  return text;
}

void same_for_every_budget(const std::string& text, uint64_t most) {
#if !defined(__x86_64__)
  GTEST_SKIP() << "no compiler for this architecture";
#endif
  const bpf::Program program = assembled(text);
  const Executable executable(program);
  for (uint64_t budget = 0; budget <= most; ++budget)
    ASSERT_EQ(run(executable, true, budget), run(executable, false, budget)) << "budget " << budget;
}

TEST(VmJit, TheMeterIsExactWhereBlocksPayForOthers) {
  // A search, as compilers lay it out: the step stands before the loop's body.
  same_for_every_budget(
      "r0 = 0\nr2 = 0\ngoto body\nstep:\nr2 += 1\nif r2 == 60 goto out\nbody:\nr3 = r1\nr3 += r2\nr4 = *(u8 "
      "*)(r3 + 0)\nif w4 < 100 goto step\nr4 = *(u8 *)(r3 + 1)\nif w4 < 100 goto step\nr0 += 1\nr3 = *(u8 "
      "*)(r3 "
      "+ 2)\nr0 += r3\ngoto step\nout:\nexit",
      800);
  // Calls see the exact count.
  same_for_every_budget(
      "r6 = 5\nr7 = 0\nloop:\nif r6 s> 3 goto two\nr1 = r6\ncall 6\nr7 ^= r0\ngoto next\ntwo:\nr1 = r7\ncall "
      "6\nr7 += r0\nnext:\nr6 -= 1\nif r6 != 0 goto loop\nr0 = r7\nexit",
      80);
  // A loop without an end, and one that faults at its end.
  same_for_every_budget("r0 = 1\nloop:\nr0 += 3\nif r0 s< 0 goto loop\nr0 ^= 5\ngoto loop\nexit", 100);
  same_for_every_budget(
      "r2 = 0\nloop:\nr3 = r1\nr3 += r2\nr2 += 4\nr0 = *(u32 *)(r3 + 0)\nif r0 == 7 goto "
      "loop\nif r2 != 400 goto loop\nexit",
      140);
}

TEST(VmJit, FramesInLoops) {
  same_for_every_budget(
      "r2 = 0\nfill:\nr3 = r10\nr3 += -64\nr3 += r2\n*(u8 *)(r3 + 0) = r2\nr4 = r2\nr4 /= 3\nr2 += 1\nif r2 "
      "!= "
      "64 goto fill\nr0 = 0\nsum:\nr2 -= 1\nr3 = r10\nr3 += -64\nr3 += r2\nr4 = *(u8 *)(r3 + 0)\nr5 = r1\nr5 "
      "+= "
      "r2\nr5 = *(u8 *)(r5 + 0)\nr0 += r4\nr0 ^= r5\nif r2 s> -1 goto sum\nexit",
      1400);
  // Below the frame, in a function that is called in a loop.
  same_for_every_budget(
      "r6 = 3\nr7 = 0\nagain:\nr1 = r6\ncall below\nr7 += r0\nr6 += 1\nif r6 != 20 goto again\nr0 = "
      "r7\nexit\n"
      "below:\nr2 = r10\nr1 *= 40\nloop:\nr2 -= 8\n*(u64 *)(r2 + 0) = r1\nr0 = *(u64 *)(r2 + 0)\nr1 -= 8\nif "
      "r1 "
      "s> 0 goto loop\nexit",
      900);
}

TEST(VmJit, FramesInLoopsWithoutChecks) {
  // A sort: all of its accesses are known to stay in the frame.
  const std::string fill =
      "r6 = 0\nfill:\nr3 = r1\nr3 += r6\nr4 = *(u32 *)(r3 + 0)\nr3 = r10\nr3 += -40\nr3 += r6\n*(u32 *)(r3 + "
      "0) = r4\nr6 += 4\nif r6 != 40 goto fill\n";
  same_for_every_budget(
      fill +
          "w1 = 0\ngoto outer\nagain:\nw1 += 1\nif w1 == 9 goto out\nouter:\nr2 = 0\ngoto body\nstep:\nr2 += "
          "4\nif r2 == 36 goto again\nbody:\nr5 = r10\nr5 += -40\nr5 += r2\nr3 = *(u32 *)(r5 + 0)\nr4 = "
          "*(u32 "
          "*)(r5 + 4)\nif w3 <= w4 goto step\n*(u32 *)(r5 + 0) = r4\n*(u32 *)(r5 + 4) = r3\ngoto "
          "step\nout:\nr0 = *(u32 *)(r10 - 20)\nexit",
      1100);
  // The same by a pointer that nothing is compared with, up to the end of the frame and beyond it.
  for (const char* rounds : {"10", "11"})
    same_for_every_budget(fill +
                              "r0 = 0\nr2 = r10\nr2 += -40\nr5 = 0\nsum:\nr4 = *(u32 *)(r2 + 0)\nr0 += "
                              "r4\n*(u32 *)(r2 + 0) = r0\nr2 += 4\nr5 += 1\nif r5 != " +
                              rounds + " goto sum\nexit",
                          180);
}

TEST(VmJit, SpareRegistersStayAsTheyWere) {
  // The callee uses r2 and r3 only; what the others hold is seen behind it, and so it is in the interpreter.
  same_for_every_budget(
      "r6 = 6\nr7 = 7\nr8 = 8\nr9 = 9\nr4 = 4\nr5 = 5\nr3 = 0\ncall sum\nr0 += r4\nr0 *= 3\nr0 += r5\nr0 *= "
      "3\nr0 += r6\nr0 *= 3\nr0 += r7\nr0 *= 3\nr0 += r8\nr0 *= 3\nr0 += r9\nexit\nsum:\nr2 = 0\nr0 = "
      "0\nloop:\nr3 = r1\nr3 += r2\nr3 = *(u16 *)(r3 + 0)\nr0 += r3\nr2 += 2\nif r2 != 62 goto loop\nexit",
      300);
  // Another region in every round.
  same_for_every_budget(
      "r2 = 0\nr0 = 0\nr3 = r10\nr3 += -8\n*(u64 *)(r10 - 8) = 77\n*(u64 *)(r10 - 16) = r3\n*(u64 *)(r10 - "
      "24) = "
      "r1\nloop:\nr3 = *(u64 *)(r10 - 16)\nr4 = *(u64 *)(r10 - 24)\n*(u64 *)(r10 - 16) = r4\n*(u64 *)(r10 - "
      "24) "
      "= r3\nr3 = *(u64 *)(r3 + 0)\nr0 += r3\nr2 += 1\nif r2 != 9 goto loop\nexit",
      100);
}

TEST(VmJit, JumpsOfEveryDistance) {
  for (int size : {1, 10, 14, 15, 16, 17, 18, 19, 20, 30, 31, 32, 33, 40, 60, 100}) {
    std::string filler;
    for (int n = 0; n < size; ++n) filler += "r0 += " + std::to_string(n * 70000) + "\n";
    same_for_every_budget("r0 = 0\nr2 = 3\nhead:\nif r2 == 1 goto other\n" + filler +
                              "r3 = *(u8 *)(r1 + 5)\nr0 += r3\nother:\nr2 -= 1\nif r2 != 0 goto head\nexit",
                          20);
  }
}

}  // namespace
}  // namespace epass::vm
