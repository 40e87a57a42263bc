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

// What is remembered of a function between its passes.
struct Track {
  uint64_t number = 0;    // of its run, if functions come one after another
  std::string last = {};  // text at the last look, for --print-changed
  std::optional<RemarkLog> remarks = {};
};

struct Pipeline::State {
  PipelineOptions options;
  std::vector<PassInfo> passes;  // that the text may name; the stages point to them
  std::vector<epass::Stage> stages;
  std::vector<size_t> module_stages;  // which of them see all functions
  IrFileStore files;
  uint64_t runs = 0;  // numbers the functions if they come one after another
  std::atomic<uint64_t> passes_run = 0;
  std::mutex mutex;  // guards report, times, tracks
  PipelineReport report;
  std::map<std::string, PassTime, std::less<>> times;
  std::map<const Function*, Track> tracks;  // of the functions of one program

  Track track(const Function& fn, const Symbols& symbols) {
    Track track;
    if (options.print_changed) track.last = print(fn, symbols);
    if (options.remarks) track.remarks.emplace(fn);
    if (files.is_used()) track.number = ++runs;
    return track;
  }
  void finish(Track& track) {
    if (track.remarks) std::ranges::move(track.remarks->take(), std::back_inserter(report.remarks));
  }
};

namespace {

// What happens around the passes of one run, and what it adds to the report.
class Watch {
 public:
  Watch(Pipeline::State& state, const Symbols& symbols, std::function<Track&(const Function&)> track)
      : state_(state), symbols_(symbols), track_(std::move(track)) {}

  PassHooks hooks(uint64_t number) {
    PassHooks hooks{.verify_each = state_.options.verify_each};
    if (state_.files.is_used()) hooks.files = state_.files.files(number, symbols_, printed_);
    hooks.before = [this](const PassInfo& pass, const Function& fn) { before(pass, fn); };
    hooks.after = [this](const PassInfo& pass, const Function& fn, Changed changed) {
      after(pass, fn, changed);
    };
    if (state_.options.bisect || state_.options.filter)
      hooks.may_run = [this](const PassInfo& pass) { return may_run(pass); };
    return hooks;
  }

  void done(const Result<void>& result) {
    if (!result && in_files_) state_.files.failed(result.error());
    // Sums do not depend on the order in which threads get here; texts are printed by one thread only.
    std::scoped_lock lock(state_.mutex);
    for (const auto& [name, count] : counters) state_.report.counters[name] += count;
    for (const auto& [name, time] : times_) {
      PassTime& sum =
          state_.times.try_emplace(std::string(name), PassTime{.name = std::string(name)}).first->second;
      sum.runs += time.runs, sum.nanoseconds += time.nanoseconds;
    }
    state_.report.printed += printed_;
  }

  std::vector<const Function*> subjects = {};  // what the passes run on
  Counters counters = {};

 private:
  static bool wants(const std::vector<std::string>& names, const PassInfo& pass) {
    return std::ranges::find(names, pass.name) != names.end();
  }
  void show(std::string_view when, const PassInfo& pass, const Function& fn) {
    printed_ += format("; {} {} on {}\n{}", when, pass.name, fn.name, print(fn, symbols_));
  }

  void before(const PassInfo& pass, const Function& fn) {
    in_files_ = pass.name == "dump-ir" || pass.name == "load-ir";
    if (wants(state_.options.print_before, pass)) show("before", pass, fn);
    // A pass over all functions is announced for each, and runs once.
    if (state_.options.time_passes) begin_ = Clock::now(), ++waiting_;
  }

  void after(const PassInfo& pass, const Function& fn, Changed changed) {
    const PipelineOptions& options = state_.options;
    if (options.time_passes && waiting_) {
      PassTime& time = times_[pass.name];
      ++time.runs;
      time.nanoseconds += static_cast<uint64_t>(
          std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin_).count());
      waiting_ = 0;
    }
    if (options.print_after_all || wants(options.print_after, pass)) show("after", pass, fn);
    Track& track = track_(fn);
    if (track.remarks && changed != Changed::kNothing) track.remarks->after_pass(pass.name, fn);
    if (!options.print_changed || changed == Changed::kNothing) return;
    std::string now = print(fn, symbols_);
    if (now != track.last) show("changed by", pass, fn);
    track.last = std::move(now);
  }

  bool may_run(const PassInfo& pass) {
    const auto& filter = state_.options.filter;
    if (filter && !std::ranges::all_of(subjects, [&](const Function* fn) { return filter(*fn, pass); }))
      return false;
    if (!state_.options.bisect) return true;
    const std::string subject = subjects.size() == 1 ? subjects[0]->name : "all functions";
    const uint64_t number = ++state_.passes_run;
    if (number == *state_.options.bisect)
      printed_ += format("bisect: the last pass is number {}, {} on `{}`\n", number, pass.name, subject);
    return number <= *state_.options.bisect;
  }

  Pipeline::State& state_;
  const Symbols& symbols_;
  std::function<Track&(const Function&)> track_;
  std::map<std::string_view, PassTime> times_;
  Clock::time_point begin_;
  uint64_t waiting_ = 0;
  std::string printed_;
  bool in_files_ = false;
};

Result<void> run_stages(Pipeline::State& state, Track& track, Function& fn,
                        std::span<const epass::Stage> stages, const Symbols& symbols, bpf::Isa isa) {
  Watch watch(state, symbols, [&](const Function&) -> Track& { return track; });
  watch.subjects = {&fn};
  PassHooks hooks = watch.hooks(track.number);
  if (track.remarks)
    hooks.remarks = [&](const PassInfo& pass, std::vector<PassRemark>&& said) {
      track.remarks->said(pass.name, fn, std::move(said));
    };
  Result<void> done = run_pipeline(fn, stages, symbols, isa, watch.counters, hooks);
  watch.done(done);
  return done;
}

}  // namespace

Pipeline::Pipeline(std::unique_ptr<State> state) : state_(std::move(state)) {}
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline::~Pipeline() = default;

static void forbid_unaligned(std::vector<Stage>& stages) {
  for (Stage& stage : stages) {
    forbid_unaligned(stage.group);
    if (stage.pass && makes_unaligned(*stage.pass)) stage.options["unaligned"] = "no";
  }
}

bool makes_unaligned(const PassInfo& pass) { return pass.options.find("unaligned=") != pass.options.npos; }

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
  if (options.strict_alignment) forbid_unaligned(state->stages);
  for (size_t n = 0; n < state->stages.size(); ++n)
    if (state->stages[n].pass && state->stages[n].pass->run_on_module) state->module_stages.push_back(n);
  if (auto ready = state->files.prepare(state->stages); !ready) return fail(ready.error());
  return Pipeline(std::move(state));
}

Result<void> Pipeline::run(Function& fn, const Symbols& symbols, bpf::Isa isa) {
  Track track = state_->track(fn, symbols);
  Result<void> done = run_stages(*state_, track, fn, state_->stages, symbols, isa);
  std::scoped_lock lock(state_->mutex);
  state_->finish(track);
  return done;
}

size_t Pipeline::module_passes() const { return state_->module_stages.size(); }

void Pipeline::begin_module() {
  state_->tracks.clear();
  state_->report = {};
  state_->times.clear();
  state_->passes_run = state_->runs = 0;
  state_->files.restart();
  if (state_->options.restart) state_->options.restart();
}

Result<void> Pipeline::run_part(Function& fn, const Symbols& symbols, bpf::Isa isa, size_t part) {
  State& state = *state_;
  const auto& breaks = state.module_stages;
  const size_t begin = part ? breaks[part - 1] + 1 : 0;
  const size_t end = part < breaks.size() ? breaks[part] : state.stages.size();
  Track* track = nullptr;
  {
    std::scoped_lock lock(state.mutex);
    if (part == 0) state.tracks.insert_or_assign(&fn, state.track(fn, symbols));
    track = &state.tracks.at(&fn);
  }
  const std::span<const epass::Stage> stages(state.stages.begin() + ptrdiff_t(begin),
                                             state.stages.begin() + ptrdiff_t(end));
  Result<void> done = run_stages(state, *track, fn, stages, symbols, isa);
  if (part < breaks.size() && done) return done;
  std::scoped_lock lock(state.mutex);
  state.finish(*track);
  return done;
}

Result<void> Pipeline::run_module_pass(Members& members, const Symbols& symbols, bpf::Isa isa, size_t pass) {
  State& state = *state_;
  Watch watch(state, symbols, [&](const Function& fn) -> Track& { return state.tracks.at(&fn); });
  for (const Member& member : members.list)
    if (member.fn) watch.subjects.push_back(member.fn);
  const epass::Stage& stage = state.stages[state.module_stages[pass]];
  auto changed = epass::run_module_pass(members, stage, symbols, isa, watch.counters, watch.hooks(0));
  const Result<void> done = changed ? Result<void>() : fail(changed.error());
  watch.done(done);
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
