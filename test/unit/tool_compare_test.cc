// `epass compare`: the answer, its place, JSON, and exit statuses.

#include <gtest/gtest.h>

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

TEST(ToolCompare, Usage) {
  ScratchDirectory dir;
  assemble(dir, "a", kFirst);
  EXPECT_EQ(run_epass({"compare", "a"}, "", dir.path()).status, 2);
  EXPECT_EQ(run_epass({"compare", "a", "a", "--inputs", "0"}, "", dir.path()).status, 2);
  EXPECT_EQ(run_epass({"compare", "a", "nothing"}, "", dir.path()).status, 1);
}

}  // namespace
}  // namespace epass::test
