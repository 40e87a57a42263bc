// Runs pass pipelines over functions, and collects what there is to show.

#include "driver/pipeline.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iterator>
#include <mutex>

#include "base/format.h"
#include "driver/ir_files.h"
#include "ir/text.h"
#include "pass/pipeline.h"
#include "passes/registry.h"

namespace epass::driver {

namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Result<void> check_pass_name(std::span<const PassInfo> passes, const std::string& option,
                             const std::string& name) {
  std::vector<std::string_view> names;
  for (const PassInfo& pass : passes) {
    if (pass.name == name) return {};
    names.push_back(pass.name);
  }
  Error error{.message = format("`{}`: no pass is called `{}`", option, name), .code = "unknown-pass"};
  const std::string near = nearest_word(name, names);
  error.help = near.empty() ? "`epass passes` lists them" : format("did you mean `{}`?", near);
  return fail(std::move(error));
}

struct Pipeline::State {
  PipelineOptions options;
  std::vector<PassInfo> passes;  // that the text may name; the stages point to them
  std::vector<epass::Stage> stages;
  IrFileStore files;
  uint64_t runs = 0;  // numbers the functions if they come one after another
  std::atomic<uint64_t> passes_run = 0;
  std::mutex mutex;  // guards report
  PipelineReport report;
  std::map<std::string, PassTime, std::less<>> times;
};

Pipeline::Pipeline(std::unique_ptr<State> state) : state_(std::move(state)) {}
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline::~Pipeline() = default;

Result<Pipeline> Pipeline::parse(const PipelineOptions& options) {
  auto state = std::make_unique<State>();
  state->options = options;
  state->passes.assign(all_passes().begin(), all_passes().end());
  state->passes.insert(state->passes.end(), options.passes.begin(), options.passes.end());
  for (const auto& [option, names] :
       {std::pair("--print-before", &options.print_before), std::pair("--print-after", &options.print_after)})
    for (const std::string& name : *names)
      if (auto known = check_pass_name(state->passes, option, name); !known) return fail(known.error());
  auto stages = parse_pipeline(options.text, {.passes = state->passes, .level = level_pipeline});
  if (!stages) return fail(stages.error());
  state->stages = std::move(*stages);
  if (auto ready = state->files.prepare(state->stages); !ready) return fail(ready.error());
  return Pipeline(std::move(state));
}

Result<void> Pipeline::run(Function& fn, const Symbols& symbols, bpf::Isa isa) {
  State& state = *state_;
  const PipelineOptions& options = state.options;
  Counters counters;
  std::map<std::string_view, PassTime> times;
  Clock::time_point begin;
  std::string printed;

  PassHooks hooks{.verify_each = options.verify_each};
  auto wants = [](const std::vector<std::string>& names, const PassInfo& pass) {
    return std::ranges::find(names, pass.name) != names.end();
  };
  auto show = [&](std::string_view when, const PassInfo& pass) {
    printed += format("; {} {} on {}\n{}", when, pass.name, fn.name, print(fn, symbols));
  };
  std::string last;  // text at the last look, for --print-changed
  if (options.print_changed) last = print(fn, symbols);
  std::optional<RemarkLog> remarks;
  if (options.remarks) remarks.emplace(fn);
  if (remarks)
    hooks.remarks = [&](const PassInfo& pass, std::vector<PassRemark>&& said) {
      remarks->said(pass.name, fn, std::move(said));
    };
  bool in_files = false;
  if (state.files.is_used()) hooks.files = state.files.files(++state.runs, symbols, printed);
  hooks.before = [&](const PassInfo& pass, const Function&) {
    in_files = pass.name == "dump-ir" || pass.name == "load-ir";
    if (wants(options.print_before, pass)) show("before", pass);
    if (options.time_passes) begin = Clock::now();
  };
  hooks.after = [&](const PassInfo& pass, const Function&, Changed changed) {
    if (options.time_passes) {
      PassTime& time = times[pass.name];
      ++time.runs;
      time.nanoseconds += static_cast<uint64_t>(
          std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count());
    }
    if (options.print_after_all || wants(options.print_after, pass)) show("after", pass);
    if (remarks && changed != Changed::kNothing) remarks->after_pass(pass.name, fn);
    if (!options.print_changed || changed == Changed::kNothing) return;
    std::string now = print(fn, symbols);
    if (now != last) show("changed by", pass);
    last = std::move(now);
  };
  if (options.filter || options.bisect) {
    hooks.may_run = [&](const PassInfo& pass) {
      if (options.filter && !options.filter(fn, pass)) return false;
      if (!options.bisect) return true;
      const uint64_t number = ++state.passes_run;
      const bool may = number <= *options.bisect;
      if (number == *options.bisect)
        printed += format("bisect: the last pass is number {}, {} on `{}`\n", number, pass.name, fn.name);
      return may;
    };
  }
  Result<void> done = run_pipeline(fn, state.stages, symbols, isa, counters, hooks);
  if (!done && in_files) state.files.failed(done.error());

  // Sums do not depend on the order in which threads get here; texts are printed by one thread only.
  std::scoped_lock lock(state.mutex);
  for (const auto& [name, count] : counters) state.report.counters[name] += count;
  for (const auto& [name, time] : times) {
    PassTime& sum =
        state.times.try_emplace(std::string(name), PassTime{.name = std::string(name)}).first->second;
    sum.runs += time.runs, sum.nanoseconds += time.nanoseconds;
  }
  state.report.printed += printed;
  if (remarks) std::ranges::move(remarks->take(), std::back_inserter(state.report.remarks));
  return done;
}

bool Pipeline::in_sequence() const { return state_->options.in_sequence() || state_->files.is_used(); }

Result<void> Pipeline::finish(const Symbols& symbols) { return state_->files.finish(symbols); }

PipelineReport Pipeline::report() const {
  PipelineReport report = state_->report;
  for (const auto& [name, time] : state_->times) report.times.push_back(time);
  if (state_->options.bisect)
    report.printed += format("bisect: {} passes in all\n", state_->passes_run.load());
  return report;
}

}  // namespace epass::driver
