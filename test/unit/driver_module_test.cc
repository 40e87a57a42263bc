// Passes over all functions of real objects: what goes with what, and what the output says about the code
// that moved. Needs clang with the BPF target; skips without it.

#include <gtest/gtest.h>

#include <algorithm>

#include "driver/compile_file.h"
#include "object/object.h"
#include "run_epass.h"

namespace epass::test {
namespace {

// `used` keeps the compiler from doing to `record` what our passes are to do.
constexpr const char* kSource = R"(typedef unsigned int u32;
typedef unsigned long long u64;
struct { int (*type)[1]; u32 *key; u64 *value; int (*max_entries)[4]; } counts __attribute__((section(".maps")));
static void *(*lookup)(void *map, const void *key) = (void *)1;
struct inner { int number; } __attribute__((preserve_access_index));
struct ctx { u32 a[3], ifindex; };
volatile u64 total;

__attribute__((noinline)) static u64 once(u64 x) {
  u32 key = x & 3;
  u64 *value = lookup(&counts, &key);
  return value ? *value + x : 7;
}
__attribute__((noinline, used)) static int record(u32 where, u64 what, u32 level) {
  u32 key = where & 3;
  u64 *value = lookup(&counts, &key);
  if (!value || level > 3) return -1;
  *value += what * (level + 1);
  if (*value > 5) *value += 3;
  total += *value;
  return *value & 7;
}
__attribute__((section("xdp"))) int first(struct ctx *ctx) {
  record(1, ctx->ifindex, 2);
  record(ctx->ifindex, 9, 2);
  return once(ctx->ifindex * 3ull) & 1;
}
__attribute__((section("xdp.frags"))) int second(struct ctx *ctx) {
  record(3, 4, 2);
  return 2;
}
char _license[] __attribute__((section("license"))) = "GPL";
)";

class DriverModule : public CompiledTest {
 protected:
  DriverModule() : CompiledTest(kSource, "-mcpu=v3") {}

  driver::CompiledFile compile(const std::string& passes, std::vector<PassInfo> own = {},
                               unsigned threads = 2) {
    const std::string text = read_text(dir_ / "prog.o");
    driver::FileOptions options;
    options.pipeline = {.text = passes, .verify_each = true, .stats = true, .passes = std::move(own)};
    options.compile.threads = threads;
    auto file = driver::compile_file({.name = "prog.o", .bytes = {text.begin(), text.end()}}, options);
    if (file) return std::move(*file);
    ADD_FAILURE() << file.error().message;
    return {};
  }
  // As if the kernel had rejected the new code of that function.
  static void keep(driver::CompiledFile& file, std::string_view name) {
    std::vector<bool> which(file.compiled.functions.size());
    which[outcome(file, name).id.index] = true;
    const Error why{.message = "planted", .code = "kernel-rejects"};
    ASSERT_TRUE(driver::keep_functions(file, which, why, {}));
  }
  static const driver::FunctionOutcome& outcome(const driver::CompiledFile& file, std::string_view name) {
    return *std::ranges::find_if(file.compiled.functions, [&](const driver::FunctionOutcome& out) {
      return file.program().functions[out.id].name == name;
    });
  }
  static uint64_t count(const driver::CompiledFile& file, const std::string& name) {
    auto it = file.passes.counters.find(name);
    return it == file.passes.counters.end() ? 0 : it->second;
  }
};

TEST_F(DriverModule, CopiedCodeLeavesItsFunctionAndKeepsItsLines) {
  const driver::CompiledFile file = compile("inline,drop-unused,dce");
  EXPECT_EQ(count(file, "inline.calls"), 1u);
  EXPECT_TRUE(outcome(file, "once").dropped);
  EXPECT_FALSE(outcome(file, "record").dropped);
  auto again = object::Object::parse(file.bytes, "out.o");
  ASSERT_TRUE(again) << again.error().message;
  std::vector<std::string> names;
  for (uint32_t n = 0; n < again->program().functions.size(); ++n)
    names.push_back(again->program().functions[bpf::FunctionId{n}].name);
  std::ranges::sort(names);
  EXPECT_EQ(names, (std::vector<std::string>{"first", "record", "second"}));
  // The line that only `once` has is now one of `first`.
  std::string lines;
  for (uint32_t n = 0; n < again->program().functions.size(); ++n)
    if (again->program().functions[bpf::FunctionId{n}].name == "first")
      for (const object::SourceLine& line : again->source_lines(bpf::FunctionId{n}))
        lines += std::string(line.text) + "\n";
  EXPECT_NE(lines.find("return value ? *value + x : 7;"), std::string::npos) << lines;
  EXPECT_NE(driver::offset_map(file).find(" once:"), std::string::npos);
}

TEST_F(DriverModule, NothingIsDroppedWhereDwarfDescribesIt) {
  const std::string text = read_text(dir_ / "prog.o");
  driver::FileOptions options{.pipeline = {.text = "inline,drop-unused"}, .keep_dwarf = true};
  auto file = driver::compile_file({.name = "prog.o", .bytes = {text.begin(), text.end()}}, options);
  ASSERT_TRUE(file);
  EXPECT_FALSE(outcome(*file, "once").dropped);
  EXPECT_TRUE(object::Object::parse(file->bytes, "out.o"));
}

TEST_F(DriverModule, ArgumentsThatNobodyReadsAreNotPassed) {
  const driver::CompiledFile file =
      compile("promote-slots,const-prop,dce,constant-args,dead-args,const-prop,dce");
  EXPECT_EQ(count(file, "constant-args.arguments"), 1u);
  EXPECT_EQ(count(file, "dead-args.arguments"), 3u) << "the level, at three calls";
  EXPECT_EQ(count(file, "dead-args.results"), 1u);
  const bpf::FunctionId record = outcome(file, "record").id;
  EXPECT_TRUE(outcome(file, "first").relies_on.contains(record));
  EXPECT_TRUE(outcome(file, "record").relies_on.contains(outcome(file, "second").id));
  EXPECT_LT(outcome(file, "second").insns_out, outcome(file, "second").insns_in);
}

Result<Changed> fail_in(Function& fn, std::string_view name) {
  if (fn.name == name) return fail("planted", "does not work out");
  return Changed::kNothing;
}

TEST_F(DriverModule, WhoKeepsItsCodeKeepsWhatOthersCountOn) {
  const std::string passes = "promote-slots,const-prop,dce,constant-args,dead-args,const-prop,dce,planted";
  const PassInfo callee{"planted", "", "", "",
                        [](Function& fn, PassContext&) { return fail_in(fn, "record"); }};
  const driver::CompiledFile kept = compile(passes, {callee});
  ASSERT_TRUE(outcome(kept, "record").kept);
  EXPECT_EQ(outcome(kept, "record").kept->code, "planted");
  EXPECT_EQ(count(kept, "dead-args.arguments"), 0u) << "it still reads them";
  EXPECT_FALSE(outcome(kept, "first").kept);

  const PassInfo caller{"planted", "", "", "",
                        [](Function& fn, PassContext&) { return fail_in(fn, "second"); }};
  const driver::CompiledFile half = compile(passes, {caller});
  ASSERT_TRUE(outcome(half, "second").kept);
  EXPECT_FALSE(outcome(half, "record").kept);
  EXPECT_EQ(count(half, "dead-args.results"), 0u) << "the old code of `second` may read it";
  EXPECT_EQ(count(half, "dead-args.arguments"), 2u) << "the calls of `first`";
}

TEST_F(DriverModule, AFunctionThatIsCalledAgainIsThereAgain) {
  driver::CompiledFile file = compile("inline,drop-unused,dce");
  keep(file, "first");
  EXPECT_FALSE(outcome(file, "once").dropped);
  EXPECT_EQ(outcome(file, "once").insns_out, outcome(file, "once").insns_in);
  EXPECT_EQ(object::Object::parse(file.bytes, "out.o")->program().functions.size(), 4u);
}

TEST_F(DriverModule, KeptFunctionsTakeAlongWhoReliesOnThem) {
  driver::CompiledFile file = compile("promote-slots,const-prop,dce,constant-args,dead-args,const-prop,dce");
  keep(file, "second");
  for (const char* name : {"record", "first", "second"}) EXPECT_TRUE(outcome(file, name).kept) << name;
}

TEST_F(DriverModule, ThreadsDoNotShow) {
  const std::string passes =
      "merge-functions,inline,drop-unused,promote-slots,const-prop,dce,constant-args,dead-args,O2";
  const driver::CompiledFile one = compile(passes, {}, 1);
  for (unsigned threads : {2u, 5u}) EXPECT_EQ(compile(passes, {}, threads).bytes, one.bytes);
}

}  // namespace
}  // namespace epass::test
