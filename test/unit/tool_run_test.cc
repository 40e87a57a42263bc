// `epass run`: inputs, engines, what it shows. The compiled programs need clang with the BPF target.

#include <gtest/gtest.h>

#include "kernel/load.h"
#include "run_epass.h"

namespace epass::test {
namespace {

constexpr const char* kSource = R"(typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned char u8;
#define SEC(x) __attribute__((section(x)))
struct { int (*type)[1]; u32 *key; u64 *value; int (*max_entries)[4]; } counts SEC(".maps");
struct { int (*type)[27]; int (*max_entries)[4096]; } events SEC(".maps");
struct ctx { u32 data, data_end, meta, ifindex; };
int chosen(struct ctx *), again(struct ctx *);
struct { int (*type)[3]; int (*max_entries)[4]; u32 *key; int (*value_size)[4]; int (*values[])(struct ctx *); }
    programs SEC(".maps") = {.values = {[1] = &chosen, [2] = &again}};
static void *(*lookup)(void *, const void *) = (void *)1;
static long (*update)(void *, const void *, const void *, u64) = (void *)2;
static long (*print)(const char *, u32, ...) = (void *)6;
static long (*tail_call)(void *, void *, u32) = (void *)12;
static long (*output)(void *, void *, u64, u64) = (void *)130;
static long (*for_each)(void *, void *, void *, u64) = (void *)164;
static long (*loop)(u32, void *, void *, u64) = (void *)181;
u64 total = 5;
static int each(u64 i, u64 *sum) { *sum += i; total += 1; return i == 20; }
static int element(void *map, u32 *key, u64 *value, u64 *sum) { *sum += *value * 3 + *key; return 0; }
SEC("xdp") int count(struct ctx *ctx) {
  u8 *data = (u8 *)(long)ctx->data, *end = (u8 *)(long)ctx->data_end;
  if (data + 14 > end) return 0;
  u32 key = data[0];
  u64 one = 1, sum = 0;
  u64 *value = lookup(&counts, &key);
  if (value) *value += 1; else update(&counts, &key, &one, 0);
  char text[] = "key %d\n";
  print(text, sizeof text, key);
  output(&events, &key, 4, 0);
  loop(30, each, &sum, 0);
  for_each(&counts, element, &sum, 0);
  data[3] = sum;
  return (int)sum & 0xffff;
}
SEC("xdp") int chosen(struct ctx *ctx) { return 42; }
SEC("xdp") int again(struct ctx *ctx) { tail_call(ctx, &programs, 2); return 43; }
SEC("xdp") int choose(struct ctx *ctx) {
  u8 *data = (u8 *)(long)ctx->data, *end = (u8 *)(long)ctx->data_end;
  if (data + 14 > end) return 0;
  tail_call(ctx, &programs, data[0]);
  return 44;
}
SEC("kprobe/f") int traced(void *ctx) { return 1; }
char _license[] SEC("license") = "GPL";
)";

class ToolRun : public testing::Test {
 protected:
  Outcome epass(std::vector<std::string> words) { return run_epass(words, "", dir_.path()); }
  void assemble(const std::string& name, const std::string& text) {
    write_text(dir_ / (name + ".s"), text);
    const Outcome o = epass({"asm", name + ".s", "-o", name});
    ASSERT_EQ(o.status, 0) << o.err;
  }
  ScratchDirectory dir_;
};

class ToolRunObject : public ToolRun {
 protected:
  void SetUp() override {
    write_text(dir_ / "prog.c", kSource);
    const std::string command = "cd '" + dir_.path().string() +
                                "' && for c in clang-19 clang; do command -v $c >/dev/null && exec $c -O2 -g "
                                "-target bpf -mcpu=v3 -c prog.c -o prog.o; done 2>/dev/null; exit 1";
    if (std::system(command.c_str()) != 0) GTEST_SKIP() << "no clang with the BPF target";
  }
  // The line with the result.
  std::string result(std::vector<std::string> words) {
    words.insert(words.begin(), {"run", "prog.o"});
    const Outcome o = epass(words);
    EXPECT_EQ(o.status, 0) << o.err;
    const size_t at = o.out.find("r0 = ");
    return at == std::string::npos ? o.out : o.out.substr(at, o.out.find_first_of(";\n", at) - at);
  }
};

constexpr const char* kPacket = "0102030405060708090a0b0c0d0e";

TEST_F(ToolRun, RawMemoryIsInR1AndItsLengthInR2) {
  assemble("code", "r0 = *(u32 *)(r1 + 4)\nr0 += r2\nexit\n");
  EXPECT_EQ(epass({"run", "code", "--mem", "0000000010000000"}).out, "r0 = 0x18; 3 instructions\n");
  write_text(dir_ / "bytes", std::string("\0\0\0\0\x20\0\0\0", 8));
  EXPECT_EQ(epass({"run", "code", "--mem", "@bytes"}).out, "r0 = 0x28; 3 instructions\n");
  const Outcome o = epass({"run", "code", "--mem", "00000000"});
  EXPECT_EQ(o.status, 1);
  EXPECT_TRUE(o.err.starts_with("error[run]: `main` stopped: reads 4 bytes at mem+4\n")) << o.err;
  EXPECT_NE(o.err.find("main+0"), std::string::npos) << o.err;
}

TEST_F(ToolRun, TheTraceShowsEffects) {
  assemble("code",
           "r3 = 5\n*(u32 *)(r10 - 4) = r3\nif r3 > 7 goto +1\n*(u8 *)(r1 + 1) = 9\nr0 = *(u32 *)(r10 - "
           "4)\nexit\n");
  EXPECT_EQ(epass({"run", "code", "--mem", "aabb", "--trace"}).out,
            "   0  r3 = 5                        r3 = 0x5\n"
            "   1  *(u32 *)(r10 - 4) = r3        stack-4 = 05 00 00 00\n"
            "   2  if r3 > 7 goto 4              not taken (0x5)\n"
            "   3  *(u8 *)(r1 + 1) = 9           mem+1 = 09\n"
            "   4  r0 = *(u32 *)(r10 - 4)        r0 = 0x5\n"
            "   5  exit\n"
            "r0 = 0x5; 6 instructions; changed: memory byte 1\n");
}

TEST_F(ToolRun, TheProfileHasTheHottestFirst) {
  assemble("code", "r0 = 0\nL:\nr0 += 1\nif r0 < 100 goto L\nexit\n");
  EXPECT_EQ(epass({"run", "code", "--profile"}).out,
            "    executed    share  block (instructions)\n"
            "         200   99.0 %  main 1 to 2\n"
            "           1    0.5 %  main 0 to 0\n"
            "           1    0.5 %  main 3 to 3\n"
            "r0 = 0x64; 202 instructions\n");
}

TEST_F(ToolRun, ManyRunsAreTimed) {
  assemble("code", "r0 = 1\nexit\n");
  const Outcome o = epass({"run", "code", "--repeat", "100", "--json"});
  EXPECT_NE(
      o.out.find("\"result\":\"0x1\",\"insns_executed\":2,\"error\":null,\"engine\":\"interp\",\"runs\":100,"
                 "\"ns_per_run\":"),
      std::string::npos)
      << o.out;
  EXPECT_EQ(o.out.find("\"ns_per_run\":null"), std::string::npos) << o.out;
  assemble("wide", "r0 = 0xfedcba9876543210 ll\nexit\n");
  EXPECT_NE(epass({"run", "wide", "--json"}).out.find("\"result\":\"0xfedcba9876543210\""),
            std::string::npos);
}

TEST_F(ToolRun, ContradictionsAreRefused) {
  assemble("code", "r0 = 1\nexit\n");
  const std::vector<std::vector<std::string>> wrong = {
      {"--packet", "00", "--mem", "00"},
      {"--ctx", "raw", "--packet", "00"},
      {"--ctx", "xdp", "--mem", "00"},
      {"--ctx", "ip"},
      {"--engine", "vm"},
      {"--map", "m"},
      {"--engine", "kernel", "--trace"},
      {"--trace", "--profile"},
      {"--repeat", "0"},
      {"--engine", "jit", "--profile"},
  };
  for (std::vector<std::string> words : wrong) {
    words.insert(words.begin(), {"run", "code"});
    const Outcome o = epass(words);
    EXPECT_EQ(o.status, 2) << words[2];
    EXPECT_TRUE(o.err.starts_with("error[usage]: ")) << o.err;
  }
  const Outcome o = epass({"run", "code", "--map", "m=@code"});
  EXPECT_EQ(o.status, 1);
  EXPECT_TRUE(o.err.starts_with("error[map-file]: `code` has no map `m`\n")) << o.err;
}

TEST_F(ToolRunObject, MapsAndHelpersDoWhatTheKernelsDo) {
  const Outcome o = epass({"run", "prog.o", "--prog", "count", "--packet", kPacket});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_TRUE(o.out.starts_with("printed: key 1\nrecord in events: 01 00 00 00\ncount: r0 = 0xd6; "))
      << o.out;
  EXPECT_TRUE(o.out.ends_with("; changed: counts[1], .data, packet byte 3\n")) << o.out;
}

TEST_F(ToolRunObject, MapsAreFilledFromFiles) {
  write_text(dir_ / "hex.json",
             R"([{"key": "01000000", "value": 7}, {"key": 5, "value": "0a00 0000 0000 0000"}])");
  write_text(dir_ / "bpftool.json",
             R"([{"key":["0x01","0x00","0x00","0x00"],"value":["0x07","0x00","0x00","0x00",
      "0x00","0x00","0x00","0x00"],"formatted":{"key":1,"value":7}},
      {"key":["0x05","0x00","0x00","0x00"],"value":["0x0a","0","0","0","0","0","0","0"]}])");
  // 210 + (8 * 3 + 1) + (10 * 3 + 5)
  for (const char* file : {"counts=@hex.json", "counts=@bpftool.json"})
    EXPECT_EQ(result({"--prog", "count", "--packet", kPacket, "--map", file}), "r0 = 0x10e") << file;
  write_text(dir_ / "data", std::string("\x09\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(epass({"run", "prog.o", "--prog", "count", "--packet", kPacket, "--map", ".data=@data"}).status,
            0);
  write_text(dir_ / "choice.json", R"([{"key": 3, "value": "chosen"}])");
  EXPECT_EQ(result({"--prog", "choose", "--packet", "0302030405060708090a0b0c0d0e", "--map",
                    "programs=@choice.json"}),
            "r0 = 0x2a");
  write_text(dir_ / "bad.json", R"([{"key": 1, "value": 7}, {"key": "0100", "value": 7}])");
  const Outcome o = epass({"run", "prog.o", "--prog", "count", "--map", "counts=@bad.json"});
  EXPECT_EQ(o.status, 1);
  EXPECT_EQ(o.err,
            "error[map-file]: entry 1: a key of 2 bytes, where the map has 4\n"
            "  --> bad.json\n"
            "  = help: a list such as [{\"key\": \"01000000\", \"value\": 7}]; docs/vm.md shows all forms\n");
  write_text(
      dir_ / "many.json",
      R"([{"key":1,"value":1},{"key":2,"value":1},{"key":3,"value":1},{"key":4,"value":1},{"key":5,"value":1}])");
  const Outcome full = epass({"run", "prog.o", "--prog", "count", "--map", "counts=@many.json"});
  EXPECT_EQ(full.status, 1);
  EXPECT_TRUE(full.err.starts_with("error[map-entry]: `counts` does not take an entry: ")) << full.err;
}

TEST_F(ToolRunObject, TailCallsGoWhereTheObjectSays) {
  EXPECT_EQ(result({"--prog", "choose", "--packet", "00020304050607080900000c0d0e"}), "r0 = 0x2c");
  EXPECT_EQ(result({"--prog", "choose", "--packet", kPacket}), "r0 = 0x2a");
  EXPECT_EQ(result({"--prog", "choose", "--packet", "0202030405060708090a0b0c0d0e"}), "r0 = 0x2b")
      << "33 tail calls, no more";
}

TEST_F(ToolRunObject, EnginesAgree) {
  std::vector<std::string> engines = {"interp"};
#if defined(__x86_64__) && __has_include("vm/jit_compiler.h")
  engines.push_back("jit");
#endif
  if (const std::string why = kernel::why_no_bpf(); why.empty())
    engines.push_back("kernel");
  else
    std::fprintf(stderr, "without the kernel: %s\n", why.c_str());
  write_text(dir_ / "counts.json", R"([{"key": 1, "value": 7}, {"key": 2, "value": 1}])");
  for (const char* program : {"count", "choose", "again"})
    for (const char* first : {"00", "01", "02"}) {
      const std::string packet = first + std::string("02030405060708090a0b0c0d0e");
      std::vector<std::string> results;
      for (const std::string& engine : engines)
        results.push_back(result(
            {"--prog", program, "--packet", packet, "--map", "counts=@counts.json", "--engine", engine}));
      for (const std::string& text : results) EXPECT_EQ(text, results[0]) << program << ' ' << first;
    }
}

TEST_F(ToolRunObject, WhatTheKernelCannotTestRunIsSaid) {
  if (const std::string why = kernel::why_no_bpf(); !why.empty()) GTEST_SKIP() << why;
  const Outcome o = epass({"run", "prog.o", "--prog", "traced", "--engine", "kernel"});
  EXPECT_EQ(o.status, 1);
  EXPECT_EQ(o.err,
            "error[test-run]: `traced` was not run: the kernel cannot test-run programs of type kprobe\n"
            "  --> prog.o: traced\n"
            "  = help: `--engine interp` runs every program\n");
}

}  // namespace
}  // namespace epass::test
