// lift, lower, run, and what --print-* shows.

#include <gtest/gtest.h>

#include "run_epass.h"

namespace epass::test {
namespace {

std::string record(uint64_t code, uint64_t dst, uint64_t src, int16_t off, int32_t imm) {
  return std::to_string(code | dst << 8 | src << 12 | uint64_t(uint16_t(off)) << 16 |
                        uint64_t(uint32_t(imm)) << 32) +
         "\n";
}

// r0 = 1; if r1 > 5 goto +1; r0 = 7; r0 += 2; exit
std::string branch_dump() {
  return record(0xb7, 0, 0, 0, 1) + record(0x25, 1, 0, 1, 5) + record(0xb7, 0, 0, 0, 7) +
         record(0x07, 0, 0, 0, 2) + record(0x95, 0, 0, 0, 0);
}

constexpr const char* kBranchText = R"(epir 1
function main - "" entry {
b0(v0:r1):
  v1 = const 1                                 @0:r0
  jgt v0, 5, b2(v1), b1                        @1
b1:
  v2 = const 7                                 @2:r0
  jump b2(v2)
b2(v3:r0):
  v4 = add v3, 2                               @3:r0
  return v4                                    @4
}
)";

class ToolConvert : public ::testing::Test {
 protected:
  void SetUp() override { write_text(dir_ / "code.txt", branch_dump()); }
  Outcome epass(std::vector<std::string> words) { return run_epass(words, "", dir_.path()); }
  ScratchDirectory dir_;
};

TEST_F(ToolConvert, LiftShowsTheForm) {
  Outcome o = epass({"lift", "code.txt"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.out, kBranchText);
  EXPECT_EQ(epass({"print", "code.txt", "--ir"}).out, kBranchText);
}

TEST_F(ToolConvert, LowerIsTheWayBack) {
  write_text(dir_ / "code.epir", kBranchText);
  Outcome o = epass({"lower", "code.epir"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.out, branch_dump());
  Outcome text = epass({"lower", "code.epir", "--emit", "asm"});
  EXPECT_EQ(text.out,
            "code.epir: main, 5 insns, ISA v1\n"
            "   0   r0 = 1\n"
            "   1   if r1 > 5 goto b2\n"
            "b1:\n"
            "   2   r0 = 7\n"
            "b2:                                              ; from 1, 2\n"
            "   3   r0 += 2\n"
            "   4   exit\n");
  Outcome opt = epass({"opt", "code.epir", "-o", "-", "-O0"});
  EXPECT_EQ(opt.out, kBranchText);
}

TEST_F(ToolConvert, SeveralFunctionsAreListedEach) {
  write_text(dir_ / "two.epir",
             "epir 1\n"
             "function first - \"\" {\n"
             "b0(v0:r1):\n"
             "  v1 = add v0, 1  @0:r0\n"
             "  return v1  @1\n"
             "}\n"
             "function second - \"\" {\n"
             "b0(v0:r1):\n"
             "  return v0  @0\n"
             "}\n");
  Outcome o = epass({"opt", "two.epir", "-o", "-", "-O2", "--emit", "asm"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.out,
            "two.epir: first, subprogram, 3 insns, ISA v1\n"
            "   0   r0 = r1\n"
            "   1   r0 += 1\n"
            "   2   exit\n"
            "\n"
            "two.epir: second, subprogram, 2 insns, ISA v1\n"
            "   0   r0 = r1\n"
            "   1   exit\n");
}

TEST_F(ToolConvert, ErrorsInTextAreMarked) {
  write_text(dir_ / "bad.epir",
             "epir 1\nfunction f - \"\" {\nb0(v0:r1):\n  v7 = add.32 v0, v9\n  return v7\n}\n");
  for (const char* command : {"lower", "opt"}) {
    Outcome o = epass({command, "bad.epir"});
    EXPECT_EQ(o.status, 1);
    EXPECT_EQ(o.err,
              "error[epir-name]: `v9` is not defined\n"
              "  --> bad.epir:4:19\n"
              "  4 |   v7 = add.32 v0, v9\n"
              "    |                   ^^\n");
  }
}

TEST_F(ToolConvert, TheOtherDirectionIsRefused) {
  Outcome o = epass({"lower", "code.txt"});
  EXPECT_EQ(o.status, 1);
  EXPECT_EQ(o.err,
            "error[input-format]: the input is no `.epir` text\n"
            "  --> code.txt\n"
            "  = help: `epass lift` makes `.epir` of bytecode\n");
  write_text(dir_ / "code.epir", kBranchText);
  EXPECT_EQ(epass({"lift", "code.epir"}).status, 1);
  EXPECT_EQ(epass({"run", "code.epir"}).status, 1);
}

TEST_F(ToolConvert, PassesCanBeWatched) {
  write_text(dir_ / "code.epir",
             "epir 1\nfunction f - \"\" {\nb0(v0):\n  v1 = add v0, 0\n  v2 = const 3\n  return v1\n}\n");
  Outcome o =
      epass({"opt", "code.epir", "--passes", "dce", "--print-before", "dce", "--print-after-all", "-q"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(
      o.err,
      "; before dce on f\nfunction f - \"\" {\nb0(v0):\n  v1 = add v0, 0\n  v2 = const 3\n  return v1\n}\n"
      "; after dce on f\nfunction f - \"\" {\nb0(v0):\n  v1 = add v0, 0\n  return v1\n}\n");
  Outcome changed = epass({"opt", "code.epir", "--passes", "dce,dce", "--print-changed", "-q"});
  EXPECT_EQ(changed.err,
            "; changed by dce on f\nfunction f - \"\" {\nb0(v0):\n  v1 = add v0, 0\n  return v1\n}\n");
  Outcome bisect = epass({"opt", "code.epir", "--passes", "dce,dce", "--bisect", "1", "-q"});
  EXPECT_EQ(bisect.err, "bisect: the last pass is number 1, dce on `f`\nbisect: 2 passes in all\n");
}

TEST_F(ToolConvert, RunTellsTheResult) {
  write_text(dir_ / "two.txt", record(0xb7, 0, 0, 0, 2) + record(0x95, 0, 0, 0, 0));
  Outcome o = epass({"run", "two.txt", "--trace"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.out, "   0  r0 = 2                        r0 = 0x2\n   1  exit\nr0 = 0x2; 2 instructions\n");
  Outcome json = epass({"run", "two.txt", "--json"});
  EXPECT_EQ(json.out,
            "{\"schema\":1,\"object\":\"two.txt\",\"section\":\"\",\"program\":\"main\",\"type\":null,"
            "\"result\":\"0x2\","
            "\"insns_executed\":2,\"error\":null,\"engine\":\"interp\",\"runs\":1,\"ns_per_run\":null}\n");
  Outcome context = epass({"run", "code.txt", "--mem", "0x"});
  EXPECT_EQ(context.status, 2);
  EXPECT_EQ(context.err,
            "error[usage]: `--mem` takes pairs of hexadecimal digits, or @FILE\n"
            "  = help: `--mem 5254001234560200`\n");
}

TEST_F(ToolConvert, EndlessProgramsStop) {
  write_text(dir_ / "loop.txt", record(0x05, 0, 0, -1, 0) + record(0x95, 0, 0, 0, 0));
  Outcome o = epass({"run", "loop.txt", "--budget", "100"});
  EXPECT_EQ(o.status, 1);
  EXPECT_TRUE(o.err.starts_with("error[run]: `main` stopped: ")) << o.err;
}

}  // namespace
}  // namespace epass::test
