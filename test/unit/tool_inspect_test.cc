// Looking inside: remarks, listings of one program, text forms, and the kernel's word on each output.

#include <gtest/gtest.h>

#include <algorithm>

#include "run_epass.h"

namespace epass::test {
namespace {

constexpr const char* kSource = R"(typedef unsigned int u32;
typedef unsigned long long u64;
struct ctx { u32 a[3], ifindex; };
static u64 (*tgid)(void) = (void *)14;
__attribute__((section("kprobe/a"))) int halves(struct ctx *ctx) {
  u64 both = tgid();
  u32 low = both;
  if (low == 7)
    return 0;
  return both >> 32 > low;
}
__attribute__((section("socket"))) int pass(struct ctx *ctx) {
  return 0;
}
char _license[] __attribute__((section("license"))) = "GPL";
)";

class ToolInspect : public CompiledTest {
 protected:
  ToolInspect() : CompiledTest(kSource, "-mcpu=v1") {}
};

TEST_F(ToolInspect, RemarksNamePassInstructionAndLine) {
  Outcome o = epass({"opt", "prog.o", "-q", "--remarks", "remarks"});
  EXPECT_EQ(o.status, 0) << o.err;
  const std::string text = read_text(dir_ / "remarks");
  // -mcpu=v1 cuts to 32 bits with two shifts; one of them goes, the other changes.
  EXPECT_TRUE(has(
      text, R"("program":"halves","type":"kprobe","pass":"dce","kind":"passed","what":"removed","insn":)"))
      << text;
  EXPECT_TRUE(has(text, R"("pass":"simplify","kind":"passed","what":"changed","insn":)")) << text;
  EXPECT_TRUE(has(text, R"("from":"lshr","to":"zext32","reason":null,"file":)")) << text;
  EXPECT_TRUE(has(text, R"(prog.c","line":)")) << text;
  EXPECT_FALSE(has(text, R"("program":"pass")")) << "nothing changes in it: " << text;
  // The bytes do not depend on it.
  EXPECT_EQ(epass({"opt", "prog.o", "-q", "-o", "with.o", "--remarks", "remarks"}).status, 0);
  EXPECT_EQ(epass({"opt", "prog.o", "-q", "-o", "without.o"}).status, 0);
  EXPECT_EQ(read_text(dir_ / "with.o"), read_text(dir_ / "without.o"));
  EXPECT_EQ(epass({"opt", "prog.o", "--remarks", "none/remarks"}).status, 1);
}

TEST_F(ToolInspect, RemarksCanBeOfOnePass) {
  EXPECT_EQ(epass({"opt", "prog.o", "-q", "--remarks", "remarks", "--remarks-filter", "dce"}).status, 0);
  const std::string text = read_text(dir_ / "remarks");
  EXPECT_TRUE(has(text, R"("pass":"dce")")) << text;
  EXPECT_FALSE(has(text, R"("pass":"simplify")")) << text;
  Outcome o = epass({"opt", "prog.o", "--remarks", "remarks", "--remarks-filter", "simplfy"});
  EXPECT_EQ(o.status, 2) << o.err;
  EXPECT_TRUE(has(o.err, "did you mean `simplify`?")) << o.err;
  EXPECT_EQ(epass({"opt", "prog.o", "--remarks-filter", "dce"}).status, 2);
}

TEST_F(ToolInspect, ListingsHaveOnlyTheProgramsThatWereNamed) {
  Outcome o = epass({"opt", "prog.o", "-S", "--prog", "pass", "-o", "-", "-q"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_TRUE(has(o.out, "socket: pass, ")) << o.out;
  EXPECT_FALSE(has(o.out, "halves")) << o.out;
}

TEST_F(ToolInspect, OnlyEqualFormatsHaveTwoSizes) {
  Outcome o = epass({"opt", "prog.o", "-o", "out.o"});
  EXPECT_TRUE(has(o.out, " -> ") && has(o.out, "wrote out.o (")) << o.out;
  Outcome text = epass({"opt", "prog.o", "--emit", "epir", "-o", "out.epir"});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_TRUE(text.out.starts_with("prog.o: 2 programs, -O1\nwrote out.epir (")) << text.out;
  EXPECT_FALSE(has(text.out, " -> ")) << text.out;
  Outcome json = epass({"opt", "prog.o", "--emit", "epir", "-o", "out.epir", "--json"});
  EXPECT_TRUE(has(json.out, R"("insns_out":null)")) << json.out;
  Outcome lift = epass({"lift", "prog.o", "-o", "out.epir"});
  EXPECT_TRUE(lift.out.starts_with("wrote out.epir (")) << lift.out;
  EXPECT_EQ(epass({"lift", "prog.o", "-o", "out.epir", "-q"}).out, "");
}

TEST_F(ToolInspect, VerboseNamesThePipeline) {
  EXPECT_TRUE(has(epass({"opt", "prog.o", "-v"}).out, "fixpoint(")) << "the level's passes";
  EXPECT_TRUE(has(epass({"opt", "prog.o", "-v", "-O0"}).out, "\n  pipeline: none\n"));
  EXPECT_TRUE(has(epass({"opt", "prog.o", "-v", "--passes", "dce"}).out, "\n  pipeline: dce\n"));
  EXPECT_FALSE(has(epass({"opt", "prog.o"}).out, "pipeline"));
}

TEST_F(ToolInspect, InstructionsBesideTheirSsaForm) {
  Outcome o = epass({"print", "prog.o", "--ir", "--side-by-side", "--prog", "halves"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_TRUE(o.out.starts_with("prog.o: kprobe/a: halves, ")) << o.out;
  EXPECT_TRUE(has(o.out, "   0   call bpf_get_current_pid_tgid#14")) << o.out;
  EXPECT_TRUE(has(o.out, " |   v1 = call bpf_get_current_pid_tgid#14()\n")) << o.out;
  EXPECT_FALSE(has(o.out, "@0")) << o.out;
  // Every instruction stands there once.
  Outcome listing = epass({"print", "prog.o", "--prog", "halves", "--json"});
  const size_t insns = std::stoul(listing.out.substr(listing.out.find("\"insns\":") + 8));
  for (size_t i = 0; i < insns; ++i)
    EXPECT_TRUE(has(o.out, "\n" + std::string(4 - std::to_string(i).size(), ' ') + std::to_string(i) + "   "))
        << i << "\n"
        << o.out;
  EXPECT_EQ(epass({"print", "prog.o", "--side-by-side"}).status, 2);
}

TEST_F(ToolInspect, CheckKernelKeepsWhatTheKernelWouldLose) {
  Outcome good = epass({"opt", "prog.o", "--check-kernel", "--json"});
  if (has(good.err, "error[kernel-permission]")) {
    EXPECT_EQ(good.status, 1);
    GTEST_SKIP() << "bpf(2) is not allowed here: " << good.err;
  }
  EXPECT_EQ(good.status, 0) << good.err;
  EXPECT_TRUE(has(good.out, R"("kept":null,"kernel":"ok","left_out":[]})")) << good.out;
  // New code that no kernel takes: a load from far outside the context.
  Outcome dump = epass({"opt", "prog.o", "-q", "--prog", "pass", "--passes", "dump-ir(path=pass.epir)"});
  ASSERT_EQ(dump.status, 0) << dump.err;
  std::string text = read_text(dir_ / "pass.epir");
  const size_t at = text.find("const 0");
  ASSERT_NE(at, std::string::npos) << text;
  write_text(dir_ / "pass.epir", text.replace(at, 7, "load.u64 v0+28672"));
  std::vector<std::string> broken = {"opt", "prog.o", "--prog", "pass", "--passes", "load-ir(path=pass.epir)",
                                     "-o",  "out.o"};
  EXPECT_EQ(epass(broken).status, 0);
  EXPECT_NE(read_text(dir_ / "out.o"), read_text(dir_ / "prog.o"));
  broken.emplace_back("--check-kernel");
  Outcome kept = epass(broken);
  EXPECT_EQ(kept.status, 0) << kept.err;
  EXPECT_TRUE(has(kept.err,
                  "warning[pass-left-out]: the pass `load-ir` was left out for `pass`: this kernel rejects "
                  "the new code: "))
      << kept.err;
  EXPECT_TRUE(has(kept.out, " ok\n")) << kept.out;
  EXPECT_EQ(read_text(dir_ / "out.o"), read_text(dir_ / "prog.o"));
  broken.emplace_back("--json");
  EXPECT_TRUE(has(epass(broken).out, R"("kept":null,"kernel":"ok","left_out":["load-ir"]})"));
  broken.emplace_back("--strict=pass-left-out");
  EXPECT_EQ(epass(broken).status, 1);
}

TEST_F(ToolInspect, CheckKernelMayBeStrict) {
  EXPECT_EQ(epass({"opt", "prog.o", "--check-kernel=lenient"}).status, 2);
  Outcome o = epass({"opt", "prog.o", "--check-kernel=strict", "--json"});
  if (has(o.err, "error[kernel-permission]")) GTEST_SKIP() << o.err;
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_TRUE(has(o.out, R"("kernel":"ok")")) << o.out;
}

TEST(ToolInspectText, CheckKernelNeedsAnObject) {
  ScratchDirectory dir;
  write_text(dir / "p", kSmallDump);
  Outcome o = run_epass({"opt", "p", "--check-kernel"}, "", dir.path());
  EXPECT_EQ(o.status, 2);
  EXPECT_TRUE(o.err.starts_with("error[usage]: `--check-kernel` needs an object")) << o.err;
}

TEST(ToolInspectText, VersionsInFull) {
  Outcome o = run_epass({"--version", "-v"});
  EXPECT_EQ(o.status, 0);
  for (const char* part : {"compiler", "libbpf", "libelf", "highest ISA   v4", "this kernel"})
    EXPECT_TRUE(has(o.out, part)) << o.out;
  Outcome json = run_epass({"--version", "--json"});
  EXPECT_TRUE(json.out.starts_with(R"({"schema":1,"version":")")) << json.out;
  EXPECT_TRUE(has(run_epass({"passes", "-O1", "--json"}).out, R"({"schema":1,"level":"O1","pipeline":")"));
}

TEST(ToolInspectText, BisectStopsAtAPass) {
  ScratchDirectory dir;
  write_text(dir / "p", kSmallDump);
  Outcome o = run_epass({"opt", "p", "--passes", "dce,simplify,dce", "--bisect", "2"}, "", dir.path());
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_TRUE(has(o.err, "bisect: the last pass is number 2, simplify on `main`\n")) << o.err;
  EXPECT_TRUE(has(o.err, "bisect: 3 passes in all\n")) << o.err;
  Outcome all = run_epass({"opt", "p", "--print-after-all"}, "", dir.path());
  EXPECT_TRUE(has(all.err, "; after simplify-cfg on main\n") && has(all.err, "; after dce on main\n"))
      << all.err;
}

}  // namespace
}  // namespace epass::test
