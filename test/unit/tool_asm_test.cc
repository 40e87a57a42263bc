// `epass asm`, `epass dis` and `epass conformance-plugin`: both ways, formats, errors with their place.

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "object/elf.h"
#include "run_epass.h"

namespace epass::test {
namespace {

TEST(ToolAsm, BothWaysAndBothDialects) {
  ScratchDirectory dir;
  write_text(dir / "a.s", "r0 = 0x1234\nif r1 == 0 goto out\nr0 += 1\nout: exit\n");
  write_text(dir / "b.s", "mov r0, 0x1234\njeq r1, 0, out\nadd r0, 1\nout: exit\n");
  Outcome a = run_epass({"asm", "a.s", "-o", "a"}, "", dir.path());
  EXPECT_EQ(a.status, 0) << a.err;
  EXPECT_EQ(a.out, "");
  EXPECT_EQ(run_epass({"asm", "b.s", "-o", "b", "--emit", "raw"}, "", dir.path()).status, 0);
  EXPECT_EQ(read_text(dir / "a").size(), 32u);
  EXPECT_EQ(read_text(dir / "a"), read_text(dir / "b"));
  Outcome text = run_epass({"dis", "a", "--no-show-raw-insn"}, "", dir.path());
  EXPECT_EQ(text.status, 0);
  EXPECT_EQ(text.out,
            "\na:\tfile format bpf\n\nDisassembly of section .text:\n\n0000000000000000 <main>:\n"
            "       0:\tr0 = 0x1234\n       1:\tif r1 == 0x0 goto +0x1 <main+0x18>\n"
            "       2:\tr0 += 0x1\n       3:\texit\n");
  EXPECT_EQ(run_epass({"asm", "-"}, text.out).out, read_text(dir / "a"));
  EXPECT_EQ(run_epass({"asm", "-", "--emit", "dump"}, "r0 = 1\nexit\n").out, kSmallDump);
  EXPECT_EQ(run_epass({"dis", "-", "-o", "c.s"}, kSmallDump, dir.path()).status, 0);
  EXPECT_EQ(run_epass({"asm", "c.s", "--emit", "dump"}, "", dir.path()).out, kSmallDump);
}

TEST(ToolAsm, Objects) {
  ScratchDirectory dir;
  write_text(dir / "x.s", R"(
  .section xdp,"ax",@progbits
  .globl pass
pass:
  r1 = values ll
  call helper
  exit
  .text
helper:
  r0 = 2
  exit
  .section .maps,"aw",@progbits
  .globl values
values:
  .zero 32
  .section license,"aw",@progbits
  .asciz "GPL"
)");
  Outcome made = run_epass({"asm", "x.s", "-o", "x.o"}, "", dir.path());
  ASSERT_EQ(made.status, 0) << made.err;
  Outcome print = run_epass({"print", "x.o", "--no-source"}, "", dir.path());
  EXPECT_EQ(print.status, 0) << print.err;
  EXPECT_NE(print.out.find("x.o: xdp: pass, xdp, 4 insns"), std::string::npos) << print.out;
  EXPECT_NE(print.out.find("r1 = map values ll"), std::string::npos) << print.out;
  EXPECT_NE(print.out.find("call helper\n"), std::string::npos) << print.out;
  Outcome raw = run_epass({"asm", "x.s", "-o", "x", "--emit", "raw"}, "", dir.path());
  EXPECT_EQ(raw.status, 1);
  EXPECT_NE(raw.err.find("instructions in two sections, `.text` and `xdp`"), std::string::npos) << raw.err;
  EXPECT_FALSE(std::filesystem::exists(dir / "x"));
}

constexpr const char* kProgram = R"(
struct { int (*type)[2]; int *key; long *value; int (*max_entries)[4]; } m __attribute__((section(".maps")));
int glob = 5; const volatile int ro = 7; static long st[4];
static void *(*lookup)(void *, const void *) = (void *)1;
static __attribute__((noinline)) long sub(long a, int *p) { return a * glob + *p + ro; }
__attribute__((section("xdp"))) int prog(unsigned *ctx) {
  int k = 1; long *v = lookup(&m, &k);
  if (v) { __sync_fetch_and_add(v, 3); st[k & 3] += *v; *v = (signed char)*v; }
  return sub(ctx[1] - ctx[0], &k) & 3;
}
__attribute__((section("tc"))) int other(unsigned *s) {
  return sub(s[0], (int[]){3}) ? __builtin_bswap32(s[1]) : 2;
}
char _license[] __attribute__((section("license"))) = "GPL";
)";

// What the compiler writes as assembly becomes what it writes as an object.
TEST(ToolAsm, CompilersOutput) {
  ScratchDirectory dir;
  write_text(dir / "p.c", kProgram);
  for (const char* level : {"v1", "v2", "v3", "v4"}) {
    const std::string compile =
        "cd '" + dir.path().string() + "' && clang-19 -target bpf -O2 -g -mcpu=" + level;
    if (std::system((compile + " -c p.c -o p.o 2>/dev/null && " + compile.substr(compile.rfind("clang")) +
                     " -S p.c -o p.s 2>/dev/null")
                        .c_str()) != 0)
      GTEST_SKIP() << "clang-19 is not installed";
    Outcome made = run_epass({"asm", "p.s", "-o", "q.o"}, "", dir.path());
    ASSERT_EQ(made.status, 0) << made.err;
    std::map<std::string, std::vector<uint8_t>> sections[2];
    for (int n = 0; n < 2; ++n) {
      const std::string bytes = read_text(dir / (n ? "q.o" : "p.o"));
      auto elf = object::read_elf({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
      ASSERT_TRUE(elf.has_value()) << elf.error().message;
      for (const object::ElfSection& s : elf->sections)
        if (s.type == 1 && !s.data.empty() && !s.name.starts_with(".debug")) sections[n][s.name] = s.data;
    }
    EXPECT_GE(sections[0].size(), 8u);
    for (const auto& [name, data] : sections[0])
      EXPECT_TRUE(sections[1][name] == data) << level << " " << name;
    EXPECT_EQ(run_epass({"check", "q.o"}, "", dir.path()).out, "q.o: 3 functions, no faults\n");
  }
}

TEST(ToolAsm, ErrorsShowTheLine) {
  Outcome o = run_epass({"asm", "-"}, "mov r0, 1\nldxq r0, [r1]\n");
  EXPECT_EQ(o.status, 1);
  EXPECT_EQ(o.out, "");
  EXPECT_EQ(o.err,
            "error[asm-syntax]: `ldxq` is no instruction\n  --> -:2:1\n  2 | ldxq r0, [r1]\n    | ^^^^\n"
            "  = help: did you mean `ldxb`?\n");
  EXPECT_EQ(run_epass({"asm", "-"}, "").status, 1);
  EXPECT_EQ(run_epass({"asm"}).status, 2);
  EXPECT_EQ(run_epass({"asm", "-", "--emit", "epir"}, "exit\n").status, 2);
  EXPECT_EQ(run_epass({"dis"}).status, 2);
  EXPECT_EQ(run_epass({"dis", "nowhere.o"}).status, 1);
}

TEST(ToolAsm, ConformancePlugin) {
  const std::string program = "b7 00 00 00 01 00 00 00 95 00 00 00 00 00 00 00";
  EXPECT_EQ(run_epass({"conformance-plugin", ""}, program).out, "1\n");
  EXPECT_EQ(run_epass({"conformance-plugin"}, program).out, "1\n");
  // r0 = *(u32 *)(r1 + 2), and the length of the memory in r2
  EXPECT_EQ(
      run_epass({"conformance-plugin", "aabb112233 44ccdd"}, "611002000000000095 00 00 00 00000000").out,
      "44332211\n");
  EXPECT_EQ(run_epass({"conformance-plugin", "00 01 02"}, "bf200000000000009500000000000000").out, "3\n");
  Outcome reserved = run_epass({"conformance-plugin", ""}, "0700010001000000 9500000000000000");
  EXPECT_EQ(reserved.status, 1);
  EXPECT_EQ(reserved.out, "");
  EXPECT_NE(reserved.err.find("the offset is reserved and holds 1"), std::string::npos) << reserved.err;
  EXPECT_EQ(run_epass({"conformance-plugin", "0"}, program).status, 2);
  EXPECT_EQ(run_epass({"conformance-plugin", ""}, "95").status, 1);
}

}  // namespace
}  // namespace epass::test
