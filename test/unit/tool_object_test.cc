// The screens on a compiled object. Needs clang with the BPF target; skips without it.

#include <gtest/gtest.h>

#include <algorithm>

#include "run_epass.h"

namespace epass::test {
namespace {

// Headers of their own, so that nothing but clang is needed.
constexpr const char* kSource = R"(typedef unsigned int u32;
typedef unsigned long long u64;
struct { int (*type)[1]; u32 *key; u64 *value; int (*max_entries)[4]; } counts __attribute__((section(".maps")));
static void *(*lookup)(void *map, const void *key) = (void *)1;
struct ctx { u32 a[3], ifindex; };
__attribute__((noinline)) static u64 weight(u64 x) {
  return x > 100 ? x * 3 : x + 7;
}
__attribute__((section("xdp"))) int count(struct ctx *ctx) {
  u32 key = ctx->ifindex;
  u64 *value = lookup(&counts, &key);
  if (!value)
    return 1;
  *value += weight(*value);
  return 2;
}
__attribute__((section("socket"))) int pass(struct ctx *ctx) {
  return 0;
}
char _license[] __attribute__((section("license"))) = "GPL";
)";

class ToolObject : public CompiledTest {
 protected:
  ToolObject() : CompiledTest(kSource, "-mcpu=v3") {}
};

TEST_F(ToolObject, UnchangedIsTheSameFile) {
  Outcome o = epass({"opt", "prog.o", "-O0", "-o", "out.o"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.err, "");
  EXPECT_EQ(read_text(dir_ / "out.o"), read_text(dir_ / "prog.o"));
  EXPECT_TRUE(o.out.starts_with("prog.o: 2 programs, -O0\n")) << o.out;
  EXPECT_NE(o.out.find("2 programs unchanged (-v)\n"), std::string::npos) << o.out;
}

TEST_F(ToolObject, OptIsTheSameForAnyNumberOfThreads) {
  for (const char* threads : {"1", "2", "7"}) {
    Outcome o = epass({"opt", "prog.o", "-o", std::string("out") + threads, "-j", threads});
    EXPECT_EQ(o.status, 0) << o.err;
  }
  EXPECT_EQ(read_text(dir_ / "out1"), read_text(dir_ / "out2"));
  EXPECT_EQ(read_text(dir_ / "out1"), read_text(dir_ / "out7"));
}

TEST_F(ToolObject, ReportHasALineForEachFunction) {
  Outcome o = epass({"opt", "prog.o", "-O0", "--json"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(std::ranges::count(o.out, '\n'), 3);
  EXPECT_NE(o.out.find(R"("section":"xdp","program":"count","type":"xdp","kind":"program")"),
            std::string::npos)
      << o.out;
  EXPECT_NE(o.out.find(R"("section":".text","program":"weight","type":null,"kind":"function")"),
            std::string::npos)
      << o.out;
}

TEST_F(ToolObject, SharedFunctionsHaveOneRow) {
  Outcome o = epass({"opt", "prog.o", "-O0", "-v"});
  EXPECT_NE(o.out.find("  .text (1 function)"), std::string::npos) << o.out;
  EXPECT_NE(o.out.find("nothing written (no -o)\n"), std::string::npos) << o.out;
}

TEST_F(ToolObject, PrintShowsSourceLabelsAndNames) {
  Outcome o = epass({"print", "prog.o", "--prog", "count"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_TRUE(o.out.starts_with("prog.o: xdp: count, xdp, ")) << o.out;
  for (const char* part : {"; prog.c:10   u32 key = ctx->ifindex;\n", " = map counts ll\n",
                           "call bpf_map_lookup_elem#1\n", "call weight\n", " goto b", "\nb1:", "exit\n"})
    EXPECT_NE(o.out.find(part), std::string::npos) << part << "\n" << o.out;
  Outcome bare = epass({"print", "prog.o", "--prog", "count", "--no-source", "--raw"});
  EXPECT_EQ(bare.out.find("u32 key"), std::string::npos);
  EXPECT_NE(bare.out.find("95 00 00 00 00 00 00 00"), std::string::npos) << bare.out;
}

TEST_F(ToolObject, UnknownProgramsAreNamed) {
  for (const char* command : {"opt", "print"}) {
    Outcome o = epass({command, "prog.o", "--prog", "cuont"});
    EXPECT_EQ(o.status, 1);
    EXPECT_EQ(o.err,
              "error[unknown-program]: no program is called `cuont`\n"
              "  --> prog.o\n"
              "  = note: it has `count`, `pass`\n"
              "  = help: did you mean `count`?\n");
  }
}

TEST_F(ToolObject, AssemblyOfTheResult) {
  Outcome o = epass({"opt", "prog.o", "-S", "-o", "-", "-q"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_NE(o.out.find("prog.o: xdp: count, xdp, "), std::string::npos) << o.out;
}

TEST_F(ToolObject, OffsetMapHasEveryInstruction) {
  Outcome o = epass({"opt", "prog.o", "-O0", "-o", "out.o", "--offset-map", "map", "-q"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.out, "");
  const std::string map = read_text(dir_ / "map");
  EXPECT_NE(map.find("count 0 0\ncount 1 1\n"), std::string::npos) << map;
}

TEST_F(ToolObject, FormatsThatCannotBeAreRefused) {
  Outcome o = epass({"opt", "prog.o", "--emit", "raw", "-o", "x"});
  EXPECT_EQ(o.status, 1);
  EXPECT_EQ(o.err,
            "error[emit]: `--emit raw` is not possible for elf input\n"
            "  --> prog.o\n"
            "  = help: its relocations have no place there; `--emit asm` shows the code\n");
  EXPECT_FALSE(std::filesystem::exists(dir_ / "x"));
}

TEST_F(ToolObject, VerifyAsksTheKernel) {
  Outcome json = epass({"verify", "prog.o", "--json"});
  const std::string first = json.out.substr(0, json.out.find('\n'));
  for (const char* field : {"schema", "object", "section", "program", "type", "accepted", "errno", "reason",
                            "insns", "insn_processed", "total_states", "verification_time_us", "nr_line_info",
                            "nr_func_info", "xlated_bytes", "jited_bytes", "stack_depth"})
    EXPECT_NE(first.find("\"" + std::string(field) + "\":"), std::string::npos) << field << " in " << first;
  if (json.err.find("error[kernel-permission]") != std::string::npos) {
    EXPECT_EQ(json.status, 1);
    GTEST_SKIP() << "bpf(2) is not allowed here: " << json.err;
  }
  EXPECT_EQ(json.status, 0) << json.err << json.out;
  Outcome table = epass({"verify", "prog.o"});
  EXPECT_TRUE(table.out.starts_with("prog.o on Linux ")) << table.out;
  EXPECT_TRUE(table.out.ends_with("2 accepted, 0 rejected, 0 not judged\n")) << table.out;
  Outcome rewritten = epass({"opt", "prog.o", "-o", "out.o", "-q"});
  EXPECT_EQ(rewritten.status, 0) << rewritten.err;
  EXPECT_EQ(epass({"verify", "out.o"}).status, 0);
}

TEST_F(ToolObject, RejectionsShowTheirPlace) {
  // Reads the context far outside.
  write_text(dir_ / "bad.txt", std::to_string(0x79ull | 0x10ull << 8 | 0x7000ull << 16) + "\n149\n");
  Outcome o = epass({"verify", "bad.txt", "--type", "xdp"});
  EXPECT_EQ(o.status, 1);
  if (o.err.find("error[kernel-permission]") != std::string::npos)
    GTEST_SKIP() << "bpf(2) is not allowed here";
  EXPECT_NE(o.out.find("0 accepted, 1 rejected, 0 not judged\n"), std::string::npos) << o.out;
  EXPECT_TRUE(o.err.starts_with("error[rejected]: the kernel rejects `main`: invalid bpf_context access"))
      << o.err;
  EXPECT_NE(o.err.find("  --> bad.txt: main+0\n => 0: r0 = *(u64 *)(r1 + 28672)\n"), std::string::npos)
      << o.err;
}

// Variables of .rodata are what a loader may set: constants only if somebody says so.
TEST_F(ToolObject, RodataConstTakesVariablesForWhatTheyAre) {
  constexpr const char* kConfigured = R"(struct ctx { unsigned a[3]; };
const volatile int limit = 7;
static const volatile signed char low = -3;
const volatile unsigned long long zeros[2];
int counter = 3;
__attribute__((section("xdp"))) int f(struct ctx *ctx) {
  if (limit > 5 && low < 0 && !zeros[1])
    return 2;
  return ctx->a[0] > 9;
}
__attribute__((section("socket"))) int g(struct ctx *ctx) {
  return counter;
}
char _license[] __attribute__((section("license"))) = "GPL";
)";
  ASSERT_TRUE(compile_bpf(dir_, kConfigured));
  Outcome plain = epass({"opt", "prog.o", "-O2", "--prog", "f", "-o", "plain.o", "-S"});
  EXPECT_EQ(plain.status, 0) << plain.err;
  EXPECT_NE(read_text(dir_ / "plain.o").find("*(u32 *)"), std::string::npos);
  Outcome o = epass({"opt", "prog.o", "-O2", "--rodata-const", "-o", "out.o", "-S"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_NE(o.out.find("-O2 --rodata-const"), std::string::npos) << o.out;
  const std::string code = read_text(dir_ / "out.o");
  const size_t f = code.find("r0 = 2"), load = code.find("*(u32 *)");
  ASSERT_NE(f, std::string::npos) << code;
  ASSERT_NE(load, std::string::npos) << "`counter` is no constant\n" << code;
  EXPECT_EQ(code.find("*(u32 *)", load + 1), std::string::npos) << code;
  EXPECT_EQ(code.find("*(s8 *)"), std::string::npos) << code;
  EXPECT_EQ(code.find("*(u8 *)"), std::string::npos) << code;
  // A loader that sets a variable sees other behaviour: the promise was wrong then.
  EXPECT_EQ(epass({"opt", "prog.o", "--rodata-const", "-o", "fixed.o"}).status, 0);
  EXPECT_EQ(epass({"compare", "prog.o", "fixed.o", "-q"}).status, 1);
  EXPECT_EQ(epass({"compare", "prog.o", "fixed.o", "--rodata-const", "-q"}).status, 0);
}

// Shortened objects: a clear error or a valid result, and the output untouched or whole.
TEST_F(ToolObject, TruncatedObjectsAreErrors) {
  const std::string whole = read_text(dir_ / "prog.o");
  write_text(dir_ / "out.o", "precious");
  for (size_t size = 4; size < whole.size(); size += whole.size() / 60 + 1) {
    write_text(dir_ / "cut.o", whole.substr(0, size));
    Outcome o = epass({"opt", "cut.o", "-o", "out.o"});
    ASSERT_EQ(o.status, 1) << size << o.err;
    EXPECT_TRUE(o.err.starts_with("error[")) << o.err;
    ASSERT_EQ(read_text(dir_ / "out.o"), "precious");
  }
}

}  // namespace
}  // namespace epass::test
