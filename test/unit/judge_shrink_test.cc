// Programs become small while something stays true of them, the same way each time.

#include <gtest/gtest.h>

#include <algorithm>

#include "bpf/assemble.h"
#include "judge/shrink.h"
#include "run_epass.h"

namespace epass::judge {
namespace {

std::vector<bpf::Insn> code(const std::string& text) {
  auto assembly = bpf::assemble(text);
  auto insns = assembly ? bpf::flat_code(*assembly) : fail(assembly.error());
  EXPECT_TRUE(insns);
  return insns ? *insns : std::vector<bpf::Insn>{};
}

const std::string kText =
    "r6 = 100\nr7 = 0\nL: r7 += 3\nr6 += -1\nif r6 != 0 goto L\nr0 = r7\nr0 *= 1000\ncall 5\nr0 += "
    "12345\nexit\n";

TEST(JudgeShrink, WhatMattersStays) {
  auto multiplies = [](const std::vector<bpf::Insn>& insns) {
    return std::ranges::any_of(insns, [](bpf::Insn i) { return i.code == (bpf::kAlu64 | bpf::kMul); });
  };
  const auto small = shrink(code(kText), multiplies);
  ASSERT_EQ(small.size(), 1u);
  EXPECT_EQ(small[0].imm, 0);
  EXPECT_EQ(shrink(code(kText), multiplies), small);
}

TEST(JudgeShrink, JumpsKeepTheirTargets) {
  auto loops = [](const std::vector<bpf::Insn>& insns) {
    for (uint32_t n = 0; n < insns.size(); ++n)
      if (bpf::is_conditional_jump(insns[n].code) && bpf::jump_target(insns[n], n) < n) return true;
    return false;
  };
  const auto small = shrink(code(kText), loops);
  EXPECT_TRUE(loops(small));
  EXPECT_EQ(small.size(), 2u);
}

TEST(JudgeShrink, SymbolsOfFunctionsGoWithTheirInstructions) {
  bpf::Function fn;
  fn.insns = code("r1 = 7\nr1 = map_fd#3 ll\nr0 = 5\ncall 1\nexit\n");
  fn.attachments = {{1, bpf::SymbolId{4}}};
  fn.core = {{3, 9}};
  const bpf::NewCode all = code_of(fn);
  EXPECT_EQ(all.insns, fn.insns);
  const bpf::NewCode small =
      shrink(fn, [](const bpf::NewCode& c) { return !c.attachments.empty() && !c.core.empty(); });
  ASSERT_EQ(small.insns.size(), 3u);
  EXPECT_EQ(small.attachments[0].insn, 0u);
  EXPECT_EQ(small.attachments[0].symbol, bpf::SymbolId{4});
  EXPECT_EQ(small.core[0].insn, 2u);
  EXPECT_EQ(small.origin, (std::vector<uint32_t>{1, 1, 3}));
  EXPECT_EQ(empty_code().insns.size(), 2u);
}

}  // namespace
}  // namespace epass::judge

namespace epass::test {
namespace {

TEST(ToolReduce, TextAndDump) {
  ScratchDirectory dir;
  write_text(dir / "p.s", "r0 = 1\nr1 = 77\nr0 += r1\ncall 5\nr0 = 0\nexit\n");
  const std::vector<std::string> words = {
      "reduce", "p.s", "--test", "grep -q 'call 5' {} || grep -q 'call 0x5' {}", "-o", "out.s"};
  Outcome o = run_epass(words, "", dir.path());
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_TRUE(o.out.starts_with("p.s: 6 -> 1 instructions; the test ran ")) << o.out;
  EXPECT_NE(read_text(dir / "out.s").find("call 0x5"), std::string::npos) << read_text(dir / "out.s");
  const std::string first = read_text(dir / "out.s");
  EXPECT_EQ(run_epass(words, "", dir.path()).out, o.out);
  EXPECT_EQ(read_text(dir / "out.s"), first);
  // The path is appended where CMD does not name it.
  write_text(dir / "d.txt", "4294967479\n4294967479\n149\n");
  o = run_epass({"reduce", "d.txt", "--test", "grep -q 149", "-o", "e.txt"}, "", dir.path());
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(read_text(dir / "e.txt"), "149\n");
}

TEST(ToolReduce, ObjectsLoseFunctionsAndInstructions) {
  ScratchDirectory dir;
  write_text(
      dir / "p.s",
      ".section xdp,\"ax\"\n.globl a\n.type a,@function\na:\nr0 = 1\nr0 += 2\nr0 *= 3\nexit\n.size a, .-a\n"
      ".section tc,\"ax\"\n.globl b\n.type b,@function\nb:\nr0 = 4\nr0 ^= 5\nr0 |= 6\nexit\n.size b, .-b\n");
  Outcome made = run_epass({"asm", "p.s", "-o", "p.o", "--emit", "elf"}, "", dir.path());
  ASSERT_EQ(made.status, 0) << made.err;
  const std::string test = std::string(EPASS_BINARY) + " dis {} | grep -q 'r0 ^= 0x5'";
  Outcome o = run_epass({"reduce", "p.o", "--test", test, "-o", "q.o"}, "", dir.path());
  ASSERT_EQ(o.status, 0) << o.err << made.err;
  EXPECT_TRUE(o.out.starts_with("p.o: 8 -> 3 instructions, 2 -> 1 functions with code")) << o.out;
  const std::string listing = run_epass({"dis", "q.o"}, "", dir.path()).out;
  EXPECT_NE(listing.find("r0 ^= 0x5"), std::string::npos) << listing;
  EXPECT_EQ(listing.find("r0 *= 0x3"), std::string::npos) << listing;
}

TEST(ToolReduce, Faults) {
  ScratchDirectory dir;
  write_text(dir / "d.txt", kSmallDump);
  Outcome o = run_epass({"reduce", "d.txt", "--test", "false"}, "", dir.path());
  EXPECT_EQ(o.status, 1);
  EXPECT_TRUE(o.err.starts_with("error[reduce-test]: the test does not hold for the input itself")) << o.err;
  EXPECT_EQ(run_epass({"reduce", "d.txt"}, "", dir.path()).status, 2);
}

}  // namespace
}  // namespace epass::test
