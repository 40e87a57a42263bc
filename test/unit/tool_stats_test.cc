// `epass stats`: figures of one file and of two. Needs clang with the BPF target; skips without it.

#include <gtest/gtest.h>

#include <algorithm>

#include "kernel/load.h"
#include "run_epass.h"

namespace epass::test {
namespace {

constexpr const char* kSource = R"(typedef unsigned int u32;
struct ctx { u32 data, data_end, meta, ifindex; };
static __attribute__((noinline)) u32 inner(struct ctx *ctx) { return ctx->ifindex + 1; }
__attribute__((section("xdp"))) int first(struct ctx *ctx) {
  u32 both = inner(ctx);
  if (both == 7) return 1;
  return 2;
}
__attribute__((section("xdp"))) int second(struct ctx *ctx) { return ctx->ifindex ? 1 : 2; }
char _license[] __attribute__((section("license"))) = "GPL";
)";

class ToolStats : public CompiledTest {
 protected:
  ToolStats() : CompiledTest(kSource, "-mcpu=v1") {}
  void SetUp() override {
    CompiledTest::SetUp();
    if (IsSkipped()) return;
    ASSERT_EQ(epass({"opt", "prog.o", "-O2", "-q", "-o", "small.o"}).status, 0);
  }
  const bool kernel_ = kernel::why_no_bpf().empty();
};

TEST_F(ToolStats, TwoFilesSideBySide) {
  Outcome o = epass({"stats", "prog.o", "small.o"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_TRUE(o.out.starts_with("a = prog.o, b = small.o; ")) << o.out;
  for (const char* word :
       {"program", "insns", " first ", " second ", "total", "change", "mean over programs"})
    EXPECT_TRUE(has(o.out, word)) << word << "\n" << o.out;
  if (!kernel_) {
    EXPECT_TRUE(has(o.out, "sizes only: ")) << o.out;
    return;
  }
  for (const char* word :
       {"processed", "states", "xlated", "jit bytes", "accepted: 2 before, 2 after; none lost"})
    EXPECT_TRUE(has(o.out, word)) << word << "\n" << o.out;
}

TEST_F(ToolStats, OneFile) {
  Outcome o = epass({"stats", "prog.o", "--prog", "second"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_TRUE(o.out.starts_with("prog.o; ")) << o.out;
  EXPECT_FALSE(has(o.out, "->") || has(o.out, "first") || has(o.out, "change")) << o.out;
}

TEST_F(ToolStats, JsonHasEveryFieldOnEveryLine) {
  Outcome o = epass({"stats", "prog.o", "--json"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(std::ranges::count(o.out, '\n'), 2) << o.out;
  for (const char* name : {"insns", "insn_processed", "total_states", "xlated_bytes", "jited_bytes",
                           "stack_depth", "run_ns", "accepted", "reason"})
    for (const char* side : {"_a\":", "_b\":null"})
      EXPECT_TRUE(has(o.out, std::string("\"") + name + side)) << name << side << "\n" << o.out;
  EXPECT_FALSE(has(o.out, R"("insns_a":null)")) << o.out;
}

TEST_F(ToolStats, ThePageNeedsNothingElse) {
  Outcome o = epass({"stats", "prog.o", "small.o", "-q", "--html", "page.html"});
  EXPECT_EQ(o.status, 0) << o.err;
  const std::string page = read_text(dir_ / "page.html");
  EXPECT_TRUE(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
  EXPECT_TRUE(has(page, "<div class=\"bar a\"") && has(page, "<td>first</td>")) << page;
  for (const char* word : {"http", "src=", "<script", "@import", "url("})
    EXPECT_FALSE(has(page, word)) << word;
}

TEST_F(ToolStats, RunTimeIsOfTestRuns) {
  if (!kernel_) GTEST_SKIP() << kernel::why_no_bpf();
  Outcome o = epass({"stats", "prog.o", "small.o", "--prog", "second", "--run-time", "--json"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_FALSE(has(o.out, R"("run_ns_a":null)") || has(o.out, R"("run_ns_b":null)")) << o.out;
}

TEST_F(ToolStats, WrongUsage) {
  EXPECT_EQ(epass({"stats"}).status, 2);
  EXPECT_EQ(epass({"stats", "prog.o", "prog.o", "prog.o"}).status, 2);
  EXPECT_EQ(epass({"stats", "prog.o", "--type", "no-such-type"}).status, 2);
  EXPECT_EQ(epass({"stats", "prog.o", "none.o"}).status, 1);
  EXPECT_EQ(epass({"stats", "prog.o", "--html", "none/page.html"}).status, 1);
}

}  // namespace
}  // namespace epass::test
