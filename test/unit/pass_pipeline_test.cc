// The text of pipelines, and what the manager does around a pass.

#include <gtest/gtest.h>

#include "ir/builder.h"
#include "ir/text.h"
#include "pass/pipeline.h"
#include "passes/registry.h"

namespace epass {
namespace {

// Passes that report how they were called, through the counters.
Result<Changed> note(Function&, PassContext& context) {
  context.count("note");
  for (const auto& [name, value] : context.options) context.count("note." + name + "=" + value);
  return Changed::kNothing;
}
// Finds work three times.
Result<Changed> shrink(Function&, PassContext& context) {
  context.count("shrink");
  return context.counters["shrink"] <= 3 ? Changed::kInstructions : Changed::kNothing;
}
Result<Changed> always(Function&, PassContext& context) {
  context.count("always");
  return Changed::kInstructions;
}
Result<Changed> damage(Function& fn, PassContext&) {
  fn.remove(fn.terminator(fn.entry()));
  return Changed::kInstructions;
}
// What the analyses say.
Result<Changed> ask(Function& fn, PassContext& context) {
  context.count("users=" + std::to_string(context.analyses.users().of(fn.params(fn.entry())[0]).size()));
  context.count("blocks=" + std::to_string(context.analyses.cfg().rpo.size()));
  context.analyses.dominators();
  return Changed::kNothing;
}
Result<Changed> use_in_secret(Function& fn, PassContext&) {
  Builder::before(fn, fn.terminator(fn.entry())).copy(fn.params(fn.entry())[0]);
  return Changed::kNothing;
}
Result<Changed> use(Function& fn, PassContext& context) {
  if (auto done = use_in_secret(fn, context); !done) return done;
  return Changed::kInstructions;
}
Result<Changed> split_in_secret(Function& fn, PassContext&) {
  const Block entry = fn.entry(), rest = fn.split_before(fn.terminator(entry));
  Builder::at_end(fn, entry).jump(rest);
  return Changed::kInstructions;
}
Result<Changed> split(Function& fn, PassContext& context) {
  if (auto done = split_in_secret(fn, context); !done) return done;
  return Changed::kControlFlow;
}
Result<Changed> give_up(Function&, PassContext&) { return fail("stack-limit", "no room"); }

constexpr PassInfo kPasses[] = {
    {"always", "", "", "", always},
    {"ask", "", "again=yes", "", ask},
    {"damage", "", "", "", damage},
    {"give-up", "", "", "", give_up},
    {"note", "", "budget=1..9 (default 1), mode=exact|fast", "", note},
    {"shrink", "", "", "", shrink},
    {"split", "", "", "", split},
    {"split-in-secret", "", "", "", split_in_secret},
    {"use", "", "", "", use},
    {"use-in-secret", "", "", "", use_in_secret},
};
const char* level(std::string_view word) { return word == "O1" ? "note,fixpoint(shrink)" : nullptr; }

struct Ran {
  Counters counters = {};
  std::string error = {}, code = {};
  int64_t column = -1;
  std::string help = {};
};

Ran run(std::string_view text, PassHooks hooks = {}) {
  Ran ran;
  auto keep = [&](const Error& e) {
    ran.error = e.message, ran.code = e.code, ran.column = e.where.column, ran.help = e.help;
  };
  auto stages = parse_pipeline(text, {.passes = kPasses, .level = level});
  if (!stages) return keep(stages.error()), ran;
  Function fn;
  Block b = fn.add_block();
  Value v = fn.add_param(b);
  Builder::at_end(fn, b).ret(v);
  auto done = run_pipeline(fn, *stages, {}, bpf::Isa::kV3, ran.counters, hooks);
  if (!done) keep(done.error());
  return ran;
}

TEST(PassPipeline, RunsPassesGroupsAndLevels) {
  EXPECT_EQ(run("note,always,note").counters["note"], 2u);
  EXPECT_EQ(run(" note , shrink ").counters["shrink"], 1u);
  EXPECT_EQ(run("fixpoint(note,shrink)").counters["shrink"], 4u) << "three times with work, once without";
  EXPECT_EQ(run("O1,note").counters["note"], 2u);
  EXPECT_EQ(run("O1").counters["shrink"], 4u);
  EXPECT_EQ(run("").error, "");
  Ran options = run("note(budget=3,mode=fast)");
  EXPECT_EQ(options.counters["note.budget=3"], 1u);
  EXPECT_EQ(options.counters["note.mode=fast"], 1u);
}

TEST(PassPipeline, WhatFoundNothingIsNotRunAgainOnTheSameFunction) {
  EXPECT_EQ(run("note,note,fixpoint(note)").counters["note"], 1u);
  EXPECT_EQ(run("note,note(mode=fast),note(mode=fast)").counters["note"], 3u) << "options may be other ones";
  EXPECT_EQ(run("always,always").counters["always"], 2u);
}

TEST(PassPipeline, EndlessGroupsEnd) { EXPECT_LT(run("fixpoint(always)").counters["always"], 100u); }

TEST(PassPipeline, ErrorsHaveColumnAndHelp) {
  const struct {
    const char* text;
    const char* code;
    int64_t column;
    const char* help;
  } cases[] = {
      {"note,shrnik", "unknown-pass", 6, "did you mean `shrink`?"},
      {"zzzzzzzzz", "unknown-pass", 1, "`epass passes` lists them"},
      {"note(budgt=3)", "pass-option", 6, "did you mean `budget`?"},
      {"note(budget=3", "pipeline", 14, ""},
      {"note,,note", "pipeline", 6, ""},
      {"note)", "pipeline", 5, ""},
      {"fixpoint", "pipeline", 9, ""},
      {"fixpoint(note", "pipeline", 14, ""},
      {",", "pipeline", 1, ""},
  };
  for (const auto& c : cases) {
    Ran ran = run(c.text);
    EXPECT_EQ(ran.code, c.code) << c.text << ": " << ran.error;
    EXPECT_EQ(ran.column, c.column) << c.text << ": " << ran.error;
    EXPECT_EQ(ran.help, c.help) << c.text;
  }
  std::string deep;
  for (int n = 0; n < 100000; ++n) deep += "fixpoint(";
  EXPECT_EQ(run(deep).code, "pipeline");
}

TEST(PassPipeline, BlamesThePass) {
  Ran ran = run("note,damage,note", {.verify_each = true});
  EXPECT_EQ(ran.code, "pass-broke-ir");
  EXPECT_NE(ran.error.find("`damage`"), std::string::npos) << ran.error;
  EXPECT_EQ(ran.counters["note"], 1u) << "nothing runs on a damaged function";
  EXPECT_EQ(run("give-up,note").code, "stack-limit");
}

TEST(PassPipeline, AnalysesAreKeptUntilAPassSaysThatItChangedSomething) {
  EXPECT_EQ(run("ask,use-in-secret,ask(again=yes)").counters["users=1"], 2u) << "kept: nothing was said";
  EXPECT_EQ(run("ask,use,ask").counters["users=2"], 1u);
  EXPECT_EQ(run("ask,split-in-secret,ask").counters["blocks=1"], 2u) << "kept: only instructions, was said";
  EXPECT_EQ(run("ask,split,ask").counters["blocks=2"], 1u);
}

TEST(PassPipeline, BlamesThePassThatChangesControlFlowInSecret) {
  Ran ran = run("ask,split-in-secret", {.verify_each = true});
  EXPECT_EQ(ran.code, "pass-broke-ir");
  EXPECT_NE(ran.error.find("`split-in-secret` changed the control flow"), std::string::npos) << ran.error;
  EXPECT_EQ(run("ask,split,use,ask", {.verify_each = true}).error, "");
}

TEST(PassPipeline, HooksSeeEachPass) {
  std::string seen;
  PassHooks hooks;
  int left = 2;
  hooks.may_run = [&](const PassInfo&) { return left-- > 0; };
  hooks.before = [&](const PassInfo& pass, const Function&) { seen += "<" + std::string(pass.name); };
  hooks.after = [&](const PassInfo&, const Function&, Changed changed) {
    seen += changed == Changed::kNothing ? "=>" : "!>";
  };
  run("note,always,note,note", hooks);
  EXPECT_EQ(seen, "<note=><always!>");
}

TEST(PassPipeline, NearestWordIsNear) {
  const std::string_view words[] = {"simplify", "simplify-cfg", "dce"};
  EXPECT_EQ(nearest_word("simplify-cgf", words), "simplify-cfg");
  EXPECT_EQ(nearest_word("dec", words), "dce");
  EXPECT_EQ(nearest_word("unroll", words), "");
  EXPECT_EQ(nearest_word("", words), "");
}

// The table itself: sorted, described, and every level is a pipeline of passes that exist.
TEST(PassRegistry, IsInOrder) {
  std::string_view last;
  for (const PassInfo& pass : all_passes()) {
    EXPECT_LT(last, pass.name);
    EXPECT_FALSE(pass.summary.empty()) << pass.name;
    last = pass.name;
  }
  for (const char* word : {"O0", "O1", "O2", "O3", "Os"}) {
    auto stages = parse_pipeline(word, {.passes = all_passes(), .level = level_pipeline});
    EXPECT_TRUE(stages) << word;
  }
  EXPECT_EQ(level_pipeline("O4"), nullptr);
}

// As many loads from one address: looking at all of its readers for each runs into the limit
// of time that each test has.
TEST(PassPipeline, ManyReadersOfOneValueAreFast) {
  constexpr int kLoads = 400'000;
  Function fn;
  const Block b = fn.add_block();
  const Value base = fn.add_param(b, Home::reg(1));
  Builder build = Builder::at_end(fn, b);
  Value sum = build.constant(0);
  for (int n = 0; n < kLoads; ++n)
    sum = build.binary(Opcode::Add, Width::k64, sum, build.load(MemSize::kU8, base, int16_t(n % 64)));
  build.ret(sum);
  for (const PassInfo& pass : all_passes()) {
    if (!pass.run || pass.name == "dump-ir" || pass.name == "load-ir") continue;
    auto stages = parse_pipeline(pass.name, {.passes = all_passes()});
    ASSERT_TRUE(stages);
    Function copy = fn;
    Counters counters;
    EXPECT_TRUE(run_pipeline(copy, *stages, Symbols{}, bpf::Isa::kV3, counters, {})) << pass.name;
  }
}

}  // namespace
}  // namespace epass
