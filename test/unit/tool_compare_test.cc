// `epass compare`: the answer, its place, JSON, and exit statuses.

#include <gtest/gtest.h>

#include "kernel/load.h"
#include "run_epass.h"

namespace epass::test {
namespace {

void assemble(const ScratchDirectory& dir, const std::string& name, const std::string& text) {
  write_text(dir / (name + ".s"), text);
  Outcome made = run_epass({"asm", name + ".s", "-o", name, "--emit", "raw"}, "", dir.path());
  EXPECT_EQ(made.status, 0) << made.err;
}

constexpr const char* kFirst = "r0 = *(u32 *)(r1 + 4)\nif r0 > 9 goto +1\nr0 += 3\nexit\n";
constexpr const char* kOther = "r0 = *(u32 *)(r1 + 4)\nif r0 > 8 goto +1\nr0 += 3\nexit\n";

TEST(ToolCompare, TheSame) {
  ScratchDirectory dir;
  assemble(dir, "a", kFirst);
  Outcome o = run_epass({"compare", "a", "a"}, "", dir.path());
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.out,
            "  main         256 inputs      3 of 3 blocks   same\n"
            "same behaviour on every input tried (seed 1); blocks run: mean 100.0 %, worst 100.0 %\n");
  EXPECT_EQ(run_epass({"compare", "a", "a", "-q"}, "", dir.path()).out, "");
}

TEST(ToolCompare, TheDifferenceIsShown) {
  ScratchDirectory dir;
  assemble(dir, "a", kFirst);
  assemble(dir, "b", kOther);
  Outcome o = run_epass({"compare", "a", "b"}, "", dir.path());
  EXPECT_EQ(o.status, 1);
  EXPECT_TRUE(
      o.err.starts_with("error[behaviour-differs]: `main` behaves differently: returns 0xc against 0x9\n"
                        "  --> b: main\n"))
      << o.err;
  EXPECT_NE(o.err.find("not taken"), std::string::npos) << o.err;
  EXPECT_NE(o.out.find("DIFFERENT"), std::string::npos) << o.out;
}

TEST(ToolCompare, Json) {
  ScratchDirectory dir;
  assemble(dir, "a", kFirst);
  assemble(dir, "b", kOther);
  Outcome o = run_epass({"compare", "a", "b", "--json", "--inputs", "64"}, "", dir.path());
  EXPECT_EQ(o.status, 1);
  EXPECT_TRUE(
      o.out.starts_with("{\"schema\":1,\"object\":\"a\",\"section\":\"\",\"program\":\"main\",\"type\":null,"
                        "\"same\":false,\"inputs\":"))
      << o.out;
  EXPECT_NE(o.out.find("\"difference\":\"returns 0xc against 0x9\""), std::string::npos) << o.out;
  Outcome same = run_epass({"compare", "a", "a", "--json", "--inputs", "64"}, "", dir.path());
  EXPECT_EQ(same.status, 0);
  EXPECT_EQ(
      same.out,
      "{\"schema\":1,\"object\":\"a\",\"section\":\"\",\"program\":\"main\",\"type\":null,\"same\":true,"
      "\"inputs\":64,\"undecided\":0,\"faults\":0,\"blocks\":3,\"covered\":3,\"difference\":null,"
      "\"input\":null}\n");
}

TEST(ToolCompare, InTheKernel) {
  if (std::string why = kernel::why_no_bpf(); !why.empty()) {
    ScratchDirectory dir;
    assemble(dir, "a", kFirst);
    Outcome o = run_epass({"compare", "a", "a", "--engine", "kernel"}, "", dir.path());
    EXPECT_EQ(o.status, 1);
    EXPECT_NE(o.err.find("--engine interp"), std::string::npos) << o.err;
    GTEST_SKIP() << why;
  }
  ScratchDirectory dir;
  const std::string length = "r0 = *(u32 *)(r1 + 0)\n";
  assemble(dir, "a", length + "if r0 > 70 goto +1\nr0 += 3\nexit\n");
  assemble(dir, "b", length + "if r0 > 69 goto +1\nr0 += 3\nexit\n");
  assemble(dir, "unsafe", length + "r0 = *(u64 *)(r0 + 0)\nexit\n");
  assemble(dir, "random", "call 7\nexit\n");
  Outcome same = run_epass({"compare", "a", "a", "--engine", "kernel", "--inputs", "64"}, "", dir.path());
  EXPECT_EQ(same.status, 0) << same.err;
  EXPECT_EQ(same.out,
            "  main          64 inputs   same\n"
            "1 of 1 programs compared in this kernel, the same on every input (seed 1)\n");
  Outcome other = run_epass({"compare", "a", "b", "--engine", "kernel"}, "", dir.path());
  EXPECT_EQ(other.status, 1);
  EXPECT_NE(other.err.find("`main` behaves differently: returns 0x49 against 0x46"), std::string::npos)
      << other.err;
  EXPECT_NE(other.err.find("packet of 84 bytes"), std::string::npos) << other.err;
  Outcome lost = run_epass({"compare", "a", "unsafe", "--engine", "kernel"}, "", dir.path());
  EXPECT_EQ(lost.status, 1);
  EXPECT_NE(lost.err.find("the kernel does not accept the second"), std::string::npos) << lost.err;
  Outcome none = run_epass({"compare", "unsafe", "a", "--engine", "kernel"}, "", dir.path());
  EXPECT_EQ(none.status, 1);
  EXPECT_NE(none.out.find("left out: the kernel does not accept it"), std::string::npos) << none.out;
  EXPECT_NE(none.err.find("the kernel can run no program of it"), std::string::npos) << none.err;
  Outcome unstable = run_epass({"compare", "random", "random", "--engine", "kernel"}, "", dir.path());
  EXPECT_NE(unstable.out.find("differs between two runs of itself"), std::string::npos) << unstable.out;
  Outcome json =
      run_epass({"compare", "a", "a", "--engine", "kernel", "--inputs", "8", "--json"}, "", dir.path());
  EXPECT_NE(json.out.find("\"same\":true,\"state\":\"same\",\"inputs\":8"), std::string::npos) << json.out;
}

TEST(ToolCompare, Usage) {
  ScratchDirectory dir;
  assemble(dir, "a", kFirst);
  EXPECT_EQ(run_epass({"compare", "a"}, "", dir.path()).status, 2);
  EXPECT_EQ(run_epass({"compare", "a", "a", "--inputs", "0"}, "", dir.path()).status, 2);
  EXPECT_EQ(run_epass({"compare", "a", "nothing"}, "", dir.path()).status, 1);
}

}  // namespace
}  // namespace epass::test
