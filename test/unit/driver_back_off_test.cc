// A pass that spoils code is left out, for the function that it spoils and nowhere else. Needs clang with the
// BPF target; skips without it.

#include <gtest/gtest.h>

#include "driver/back_off.h"
#include "driver/files.h"
#include "kernel/verify.h"
#include "run_epass.h"

namespace epass::test {
namespace {

using driver::CompiledFile;

constexpr const char* kSource = R"(typedef unsigned int u32;
struct ctx { u32 a[3], ifindex; };
static __attribute__((noinline)) int inner(struct ctx *ctx) { return ctx->a[2] + 1; }
__attribute__((section("socket/one"))) int one(struct ctx *ctx) { return inner(ctx) + ctx->a[0]; }
__attribute__((section("socket/two"))) int two(struct ctx *ctx) { return ctx->a[0] + 7; }
char _license[] __attribute__((section("license"))) = "GPL";
)";

// What no kernel takes in `inner`, and what every kernel takes elsewhere: loads from another place.
Changed spoil_loads(Function& fn) {
  for (Block b : fn.all_blocks())
    for (Inst i : fn.insts_of(b))
      if (fn.insts[i].op == Opcode::Load && fn.insts[i].offset < 16) {
        fn.insts[i].offset = fn.name == "inner" ? 28672 : 16;
        return Changed::kInstructions;
      }
  return Changed::kNothing;
}
Result<Changed> spoil(Function& fn, PassContext&) { return spoil_loads(fn); }
Result<Changed> spoil_all(Members& members, ModulePassContext&) {
  for (Member& member : members.list)
    if (member.fn) member.changed = spoil_loads(*member.fn);
  return Changed::kInstructions;
}

// Blames what `inner` has become.
Result<std::string> judge_spoiled(const CompiledFile& file, bpf::FunctionId entry) {
  EXPECT_EQ(file.program().functions[entry].name, "one");
  for (const driver::FunctionOutcome& out : file.compiled.functions)
    for (size_t n = 0; out.code && n < out.code->insns.size(); ++n)
      if (out.code->insns[n].off == 28672) return std::string("it is spoiled");
  return std::string();
}

bpf::FunctionId function_named(const CompiledFile& file, std::string_view name) {
  for (uint32_t n = 0; n < file.program().functions.size(); ++n)
    if (file.program().functions[bpf::FunctionId{n}].name == name) return bpf::FunctionId{n};
  return {};
}

class BackOff : public CompiledTest {
 protected:
  BackOff() : CompiledTest(kSource, "-mcpu=v3") {}
  void SetUp() override {
    CompiledTest::SetUp();
    if (IsSkipped()) return;
    auto input = driver::read_input((dir_ / "prog.o").string());
    ASSERT_TRUE(input);
    input_ = std::move(*input);
    options_.compile.never_larger = false;
  }
  CompiledFile compile(const std::string& passes) {
    options_.pipeline.text = passes;
    options_.pipeline.passes = {{"spoil", "", "", "", spoil}, {"spoil-all", "", "", "", nullptr, spoil_all}};
    auto file = driver::compile_file(input_, options_);
    EXPECT_TRUE(file) << file.error().message;
    return std::move(*file);
  }
  static const bpf::NewCode& code(const CompiledFile& file, std::string_view name) {
    return *file.compiled.functions[function_named(file, name).index].code;
  }
  // All but `inner` as the spoiled pipeline made it, `inner` as without that pass.
  void expect_only_that(const CompiledFile& file, const std::vector<driver::LeftOut>& left_out,
                        const CompiledFile& spoiled) {
    ASSERT_EQ(left_out.size(), 1u);
    EXPECT_EQ(left_out[0].pass, "spoil");
    EXPECT_EQ(left_out[0].function, function_named(file, "inner"));
    EXPECT_FALSE(left_out[0].reason.empty());
    const CompiledFile without = compile("simplify,dce,simplify,dce");
    EXPECT_EQ(code(file, "inner").insns, code(without, "inner").insns);
    EXPECT_NE(code(file, "inner").insns, code(spoiled, "inner").insns);
    for (const char* name : {"one", "two"}) {
      EXPECT_EQ(code(file, name).insns, code(spoiled, name).insns) << name;
      EXPECT_NE(code(file, name).insns, code(without, name).insns) << name;
    }
  }
  driver::Input input_;
  driver::FileOptions options_;
};

constexpr const char* kSpoiled = "simplify,dce,spoil,simplify,dce";

TEST_F(BackOff, LeavesOutOnePassOfOneFunction) {
  CompiledFile file = compile(kSpoiled);
  const CompiledFile spoiled = compile(kSpoiled);
  int asked = 0;
  const driver::Judge judge = [&](const CompiledFile& f, bpf::FunctionId entry) -> Result<std::string> {
    ++asked;
    return judge_spoiled(f, entry);
  };
  auto left_out = driver::back_off(file, input_, options_, {function_named(file, "one")}, judge);
  ASSERT_TRUE(left_out) << left_out.error().message;
  expect_only_that(file, *left_out, spoiled);
  EXPECT_LT(asked, 16);
}

// What such a pass does to one function may be right only with what it does to others: it goes for all.
TEST_F(BackOff, LeavesOutAPassOverAllFunctions) {
  CompiledFile file = compile("simplify,dce,spoil-all,simplify,dce");
  auto left_out = driver::back_off(file, input_, options_, {function_named(file, "one")}, judge_spoiled);
  ASSERT_TRUE(left_out) << left_out.error().message;
  ASSERT_EQ(left_out->size(), 1u);
  EXPECT_EQ((*left_out)[0].pass, "spoil-all");
  EXPECT_EQ((*left_out)[0].function, function_named(file, "inner"));
  const CompiledFile without = compile("simplify,dce,simplify,dce");
  for (const char* name : {"inner", "one", "two"})
    EXPECT_EQ(code(file, name).insns, code(without, name).insns) << name;
}

TEST_F(BackOff, KeepsAFunctionThatNoPassIsToBlameFor) {
  CompiledFile file = compile("dce");
  const driver::Judge judge = [&](const CompiledFile& f, bpf::FunctionId) -> Result<std::string> {
    const bool has_new_code = f.compiled.functions[function_named(f, "inner").index].code.has_value();
    return std::string(has_new_code ? "its new code is not wanted" : "");
  };
  auto left_out = driver::back_off(file, input_, options_, {function_named(file, "one")}, judge);
  ASSERT_TRUE(left_out) << left_out.error().message;
  ASSERT_EQ(left_out->size(), 1u);
  EXPECT_EQ((*left_out)[0].pass, "");
  EXPECT_EQ((*left_out)[0].reason, "its new code is not wanted");
  EXPECT_TRUE(file.compiled.functions[function_named(file, "inner").index].kept);
  EXPECT_FALSE(file.compiled.functions[function_named(file, "one").index].kept);
}

TEST_F(BackOff, AsTheKernelSays) {
  if (std::string why = kernel::why_no_bpf(); !why.empty()) GTEST_SKIP() << why;
  CompiledFile file = compile(kSpoiled);
  const CompiledFile spoiled = compile(kSpoiled);
  const driver::Judge judge = [](const CompiledFile& f, bpf::FunctionId entry) -> Result<std::string> {
    const bpf::Function& fn = f.program().functions[entry];
    auto verdicts = kernel::verify_object(
        f.bytes, "prog.o", {.wanted = [&](const std::string& name) { return name == fn.name; }});
    if (!verdicts) return fail(verdicts.error());
    if (verdicts->size() != 1) return fail("program expected");
    return verdicts->front().accepted == std::optional(true) ? std::string() : verdicts->front().reason;
  };
  auto refused = judge(file, function_named(file, "one"));
  ASSERT_TRUE(refused && !refused->empty()) << "the kernel takes spoiled code";
  auto left_out = driver::back_off(file, input_, options_, {function_named(file, "one")}, judge);
  ASSERT_TRUE(left_out) << left_out.error().message;
  expect_only_that(file, *left_out, spoiled);
  auto taken = judge(file, function_named(file, "one"));
  EXPECT_TRUE(taken && taken->empty()) << *taken;
}

}  // namespace
}  // namespace epass::test
