// `epass check`: faults with their place, the last line, JSON, and exit statuses.

#include <gtest/gtest.h>

#include "run_epass.h"

namespace epass::test {
namespace {

std::filesystem::path assembled(const ScratchDirectory& dir, const std::string& text) {
  write_text(dir / "p.s", text);
  Outcome made = run_epass({"asm", "p.s", "-o", "p", "--emit", "raw"}, "", dir.path());
  EXPECT_EQ(made.status, 0) << made.err;
  return dir.path();
}

TEST(ToolCheck, NoFaults) {
  ScratchDirectory dir;
  Outcome o = run_epass({"check", "p"}, "", assembled(dir, "r0 = 0\nexit\n"));
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.out, "p: 1 function, no faults\n");
  EXPECT_EQ(o.err, "");
  EXPECT_EQ(run_epass({"check", "p", "-q"}, "", dir.path()).out, "");
}

TEST(ToolCheck, FaultsNameTheInstruction) {
  ScratchDirectory dir;
  Outcome o =
      run_epass({"check", "p"}, "", assembled(dir, "r0 = 1\nr0 /= 0\ncall f\nexit\nf: r0 = r6\nexit\n"));
  EXPECT_EQ(o.status, 1);
  EXPECT_EQ(o.err,
            "error[check-constant]: divides by the constant 0\n  --> p: main+1\n => 1: r0 /= 0\n"
            "error[check-register]: reads r6, which nothing has written on any path\n  --> p: func1+0\n"
            " => 0: r0 = r6\nepass: 2 errors\n");
  EXPECT_EQ(o.out, "p: 2 of 2 functions with faults, 2 in all\n");
  Outcome one = run_epass({"check", "p", "--prog", "func1"}, "", dir.path());
  EXPECT_EQ(one.out, "p: 1 of 1 function with faults, 1 in all\n");
}

TEST(ToolCheck, WhatMayBeUnreachableIsAWarning) {
  ScratchDirectory dir;
  Outcome o = run_epass({"check", "p"}, "", assembled(dir, "r0 = 0\nif r0 == 0 goto L\nr0 = r7\nL: exit\n"));
  EXPECT_EQ(o.status, 0);
  EXPECT_EQ(o.out, "p: 1 function, no faults, 1 warning\n");
  EXPECT_TRUE(o.err.starts_with("warning[check-register]: reads r7, which nothing has written on any path\n"))
      << o.err;
}

TEST(ToolCheck, Json) {
  ScratchDirectory dir;
  Outcome o = run_epass({"check", "p", "--json"}, "", assembled(dir, "r0 = 1\nr0 /= 0\nexit\n"));
  EXPECT_EQ(o.status, 1);
  EXPECT_EQ(o.out,
            "{\"schema\":1,\"object\":\"p\",\"section\":\"\",\"program\":\"main\",\"type\":null,\"ok\":false,"
            "\"insns\":3,\"faults\":[{\"code\":\"check-constant\",\"insn\":1,"
            "\"message\":\"divides by the constant 0\",\"certain\":true,\"file\":null,\"line\":null}]}\n");
}

TEST(ToolCheck, Usage) {
  EXPECT_EQ(run_epass({"check"}).status, 2);
  EXPECT_EQ(run_epass({"check", "nowhere.o"}).status, 1);
  ScratchDirectory dir;
  Outcome o = run_epass({"check", "-"}, run_epass({"lift", "-"}, kSmallDump).out);
  EXPECT_EQ(o.status, 1);
  EXPECT_NE(o.err.find("`.epir` text holds no bytecode"), std::string::npos) << o.err;
}

}  // namespace
}  // namespace epass::test
