// `epass run`: executes a program in user space, in a world that the seed decides, or in this kernel by test
// run.

#include "tool/run.h"

#include <chrono>
#include <memory>

#include "base/format.h"
#include "driver/compile.h"
#include "driver/files.h"
#include "tool/command.h"
#include "tool/json.h"
#include "tool/map_file.h"
#include "tool/opt_report.h"
#include "tool/run_changes.h"
#include "tool/run_trace.h"
#include "tool/source_place.h"
#include "vm/jit.h"

namespace epass::tool {

namespace {

// Bytes from an option: hexadecimal digits, or @FILE.
Result<std::vector<uint8_t>> read_bytes(std::string_view option, const std::string& value) {
  if (value.starts_with('@')) return driver::read_file(value.substr(1));
  auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  std::vector<uint8_t> bytes;
  for (size_t at = 0; at < value.size(); at += 2) {
    const int high = digit(value[at]), low = at + 1 < value.size() ? digit(value[at + 1]) : -1;
    if (high < 0 || low < 0)
      return usage_error(format("`{}` takes pairs of hexadecimal digits, or @FILE", option),
                         format("`{} 5254001234560200`", option));
    bytes.push_back(static_cast<uint8_t>(high * 16 + low));
  }
  return bytes;
}

constexpr uint64_t kDefaultBudget = 1 << 18;
constexpr size_t kMaxShown = 16;  // records of ring buffers and the like

Result<RunOptions> read_options(const Arguments& arguments) {
  RunOptions options;
  options.budget = kDefaultBudget;
  if (arguments.has("ctx")) {
    auto word = parse_word("--ctx", arguments.get("ctx"), std::vector<std::string>{"xdp", "skb", "raw"});
    if (!word) return fail(word.error());
    constexpr vm::Context kContexts[] = {vm::Context::kXdp, vm::Context::kSkb, vm::Context::kRaw};
    options.context = kContexts[*word];
  }
  if (arguments.has("engine")) {
    auto word =
        parse_word("--engine", arguments.get("engine"), std::vector<std::string>{"interp", "jit", "kernel"});
    if (!word) return fail(word.error());
    options.engine = static_cast<RunEngine>(*word);
  }
  const struct {
    const char* option;
    std::optional<std::vector<uint8_t>>* bytes;
  } buffers[] = {{"packet", &options.packet}, {"mem", &options.memory}};
  for (const auto& [option, to] : buffers) {
    if (!arguments.has(option)) continue;
    auto bytes = read_bytes(format("--{}", option), arguments.get(option));
    if (!bytes) return fail(bytes.error());
    *to = std::move(*bytes);
  }
  if (options.packet && options.memory)
    return usage_error("`--packet` and `--mem` both say what the program gets",
                       "`--packet` for xdp and socket buffers, `--mem` for everything else");
  if (options.packet && options.context == vm::Context::kRaw)
    return usage_error("`--packet` needs `--ctx xdp` or `--ctx skb`", "`--mem` is the memory of `--ctx raw`");
  if (options.memory && options.context && options.context != vm::Context::kRaw)
    return usage_error("`--mem` is the memory of `--ctx raw`", "`--packet` for xdp and socket buffers");
  const struct {
    const char* option;
    uint64_t* value;
    uint64_t most;
  } numbers[] = {{"seed", &options.seed, UINT64_MAX},
                 {"budget", &options.budget, INT64_MAX},
                 {"repeat", &options.repeat, UINT32_MAX}};
  for (const auto& [option, value, most] : numbers) {
    if (!arguments.has(option)) continue;
    auto number = parse_number(format("--{}", option), arguments.get(option), option[0] == 'r', most);
    if (!number) return fail(number.error());
    *value = *number;
  }
  options.timed = arguments.has("repeat");
  options.trace = arguments.has("trace"), options.profile = arguments.has("profile");
  for (const std::string& text : arguments.all("map")) {
    const size_t equals = text.find("=@");
    if (equals == text.npos || equals == 0 || equals + 2 == text.size())
      return usage_error(format("`--map {}` is no NAME=@FILE", text), "`--map ports=@ports.json`");
    options.maps.push_back({text.substr(0, equals), text.substr(equals + 2)});
  }
  if (options.engine != RunEngine::kInterpreter && (options.trace || options.profile))
    return usage_error(format("`--{}` needs the interpreter", options.trace ? "trace" : "profile"),
                       "`--engine interp`, or without the option");
  if (options.trace && options.profile)
    return usage_error("`--trace` and `--profile` do not go together", "one after the other");
  return options;
}

std::string result_text(std::string_view type, uint64_t r0) {
  constexpr std::string_view kXdp[] = {"XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"};
  std::string text = format("{:#x}", r0);
  if (type == "xdp" && r0 < std::size(kXdp)) text += format(" ({})", kXdp[r0]);
  return text;
}

constexpr std::string_view kEngineNames[] = {"interp", "jit", "kernel"};

std::string json_line(const driver::CodeFile& file, const bpf::Function& fn, const RunOptions& options,
                      const RunAnswer& answer) {
  JsonLine line = program_line(file.name, fn.section, fn.name, fn.type);
  if (answer.error.empty())
    line.hex("result", answer.r0);
  else
    line.raw("result", "null");
  line.number_or_null("insns_executed", answer.executed).text_or_null("error", answer.error);
  line.text("engine", kEngineNames[static_cast<size_t>(options.engine)]);
  line.number("runs", static_cast<int64_t>(answer.runs));
  line.raw("ns_per_run", options.timed && answer.ns_per_run ? format("{:.1f}", *answer.ns_per_run) : "null");
  return line.line();
}

std::string hex(const std::vector<uint8_t>& bytes) {
  std::string text;
  for (size_t n = 0; n < std::min<size_t>(bytes.size(), 32); ++n) text += format(" {:02x}", bytes[n]);
  return text + (bytes.size() > 32 ? " .." : "");
}

std::string events_text(const world::World& world) {
  std::string text;
  size_t shown = 0, left = 0;
  for (const world::Event& event : world.events()) {
    const bool printed = event.what.starts_with("bpf_trace_");
    const bool record = event.what == "bpf_ringbuf_output" || event.what == "bpf_perf_event_output";
    if (!printed && !record) continue;
    if (shown == kMaxShown) {
      ++left;
      continue;
    }
    ++shown;
    std::string line = event.text;
    while (line.ends_with('\n')) line.pop_back();
    text += printed ? format("printed: {}\n", printable(line))
                    : format("record in {}:{}\n", printable(event.map), hex(event.bytes));
  }
  if (left) text += format("and {} more\n", left);
  return text;
}

Result<world::Setup> setup_for(const driver::CodeFile& file, const bpf::Function& fn,
                               const RunOptions& options) {
  world::Setup setup = file.object ? world::setup_of(*file.object) : world::Setup{};
  setup.seed = options.seed;
  setup.context = context_for(fn, options);
  setup.ethernet = options.context ? true : world::sees_ethernet(fn.type);
  if (options.memory) setup.memory = *options.memory;
  if (setup.context != vm::Context::kRaw) setup.packet = options.packet.value_or(std::vector<uint8_t>(64));
  for (const auto& [name, path] : options.maps) {
    auto map = std::ranges::find(setup.maps, name, [](const world::MapSetup& m) { return m.spec.name; });
    if (map == setup.maps.end()) {
      auto section = setup.sections.find(name);
      if (section == setup.sections.end()) return unknown_map(file, name);
      auto bytes = driver::read_file(path);
      if (!bytes) return fail(bytes.error());
      bytes->resize(section->second.bytes.size());
      section->second.bytes = std::move(*bytes);
      continue;
    }
    auto entries = read_map_file(path, map->spec);
    if (!entries) return fail(entries.error());
    map->entries.insert(map->entries.end(), entries->begin(), entries->end());
  }
  return setup;
}

// In user space, by the interpreter or compiled.
Result<RunAnswer> run_here(const driver::CodeFile& file, bpf::FunctionId id, const RunOptions& options) {
  const bpf::Function& fn = file.program().functions[id];
  auto setup = setup_for(file, fn, options);
  if (!setup) return fail(setup.error());
  const vm::Executable executable(file.program());
  auto world = world::World::create(executable, *setup);
  if (!world) return fail(world.error());
  vm::Settings settings{.outside = file.object ? vm::Outside::kForeign : vm::Outside::kFault,
                        .seed = options.seed,
                        .budget = options.budget,
                        .context = setup->context};
  settings.track = options.engine == RunEngine::kInterpreter && !options.timed;
  settings.observe = options.trace || options.profile;
  vm::Machine machine(executable, settings, world->get());
#if __has_include("vm/jit_compiler.h")
  std::unique_ptr<vm::Jit> jit;
  if (options.engine == RunEngine::kJit) {
    (*world)->begin(machine);
    auto compiled = vm::Jit::compile(machine);
    if (!compiled) return fail(compiled.error());
    jit = std::move(*compiled);
    if (auto used = machine.use(jit.get()); !used) return fail(used.error());
  }
#else
  if (options.engine == RunEngine::kJit) return fail("run", "this build has no compiled engine");
#endif
  Tracer tracer(file, **world, machine, id.index);
  Profile profile(file);
  if (options.trace)
    (*world)->watch = [&](uint32_t f, uint32_t i, const uint64_t* r) { tracer.before(f, i, r); };
  if (options.profile)
    (*world)->watch = [&](uint32_t f, uint32_t i, const uint64_t* r) { profile.before(f, i, r); };
  (*world)->record = options.repeat == 1;
  const Contents before = contents_of(**world, *setup);
  RunAnswer answer;
  std::chrono::nanoseconds spent{};
  vm::Run run;
  std::vector<uint8_t> packet_before;
  for (uint64_t n = 0; n < options.repeat; ++n) {
    const std::vector<uint64_t> arguments = (*world)->begin(machine);
    if (n == 0) packet_before = (*world)->packet();
    const auto start = std::chrono::steady_clock::now();
    run = machine.run(id.index, arguments);
    spent += std::chrono::steady_clock::now() - start;
    ++answer.runs;
    if (!run.ok() || run.read_undefined) break;
  }
  answer.r0 = run.r0;
  answer.executed = static_cast<int64_t>(run.executed);
  answer.undefined = run.read_undefined;
  answer.ns_per_run = static_cast<double>(spent.count()) / static_cast<double>(answer.runs);
  if (!run.ok()) {
    answer.error = run.fault.message;
    answer.fault_function = run.fault.function;
    answer.fault_insn = run.fault.insn;
  }
  if (options.trace) answer.report = tracer.finish();
  answer.report += events_text(**world);
  if (options.profile) answer.report += profile.text();
  answer.changes = changes_text(before, contents_of(**world, *setup), packet_before, (*world)->packet(),
                                setup->context != vm::Context::kRaw);
  if (const size_t armed = (*world)->armed_timers())
    answer.changes += format("; {} timer{} armed", armed, armed == 1 ? "" : "s");
  return answer;
}

void complain(Job& job, const driver::CodeFile& file, bpf::FunctionId id, const RunOptions& options,
              const RunAnswer& answer) {
  const bpf::Function& fn = file.program().functions[id];
  Diagnostic d{.error = {.message = format("`{}` stopped: {}", fn.name, answer.error), .code = "run"}};
  if (options.engine == RunEngine::kKernel) {
    d.error.message = format("`{}` was not run: {}", fn.name, answer.error);
    d.error.code = "test-run";
    d.error.where.object = file.name, d.error.where.function = fn.name;
    d.error.help = "`--engine interp` runs every program";
  } else {
    show_place(d, file, bpf::FunctionId{answer.fault_function}, answer.fault_insn);
    if (!options.trace) d.error.help = "`--trace` shows the way there";
  }
  job.diagnostics.add(d);
}

int run_program(Job& job, const driver::CodeFile& file, bpf::FunctionId id, const RunOptions& options,
                std::string& json, bool& go_on) {
  const bpf::Function& fn = file.program().functions[id];
  auto answer =
      options.engine == RunEngine::kKernel ? run_in_kernel(file, id, options) : run_here(file, id, options);
  go_on = answer.has_value();  // other programs would meet the same
  if (!answer) return job.fail(answer.error());
  if (job.arguments.has("json"))
    json += json_line(file, fn, options, *answer);
  else if (!job.ui.quiet)
    job.ui.report(answer->report);
  if (!answer->error.empty()) {
    complain(job, file, id, options, *answer);
    return kNo;
  }
  if (job.arguments.has("json")) return kDone;
  std::string line = fn.name == "main" ? "" : printable(fn.name) + ": ";
  line += "r0 = " + result_text(fn.type, answer->r0);
  if (answer->executed)
    line += format("; {} instruction{}", with_commas(static_cast<uint64_t>(*answer->executed)),
                   *answer->executed == 1 ? "" : "s");
  if (options.timed && answer->ns_per_run)
    line += format("; {:.1f} ns per run, {} run{}", *answer->ns_per_run, with_commas(answer->runs),
                   answer->runs == 1 ? "" : "s");
  if (answer->undefined) line += "; it read a register that was never written";
  job.ui.report(line + answer->changes + "\n");
  return kDone;
}

}  // namespace

vm::Context context_for(const bpf::Function& fn, const RunOptions& options) {
  if (options.context) return *options.context;
  const vm::Context by_type = world::context_of(fn.type);
  // A packet for a program whose type nothing tells.
  return options.packet && by_type == vm::Context::kRaw ? vm::Context::kXdp
         : options.memory                               ? vm::Context::kRaw
                                                        : by_type;
}

std::unexpected<Error> unknown_map(const driver::CodeFile& file, const std::string& name) {
  std::string known;
  if (file.object)
    for (const object::Map& map : file.object->maps())
      known += format("{}`{}`", known.empty() ? "" : ", ", map.name);
  Error error{.message = format("`{}` has no map `{}`", file.name, name), .code = "map-file"};
  error.help = known.empty() ? "the file defines no maps" : "its maps are " + known;
  return fail(error);
}

int run_execute(Job& job) {
  const Arguments& arguments = job.arguments;
  if (arguments.inputs.size() != 1)
    return job.fail(
        usage_error(arguments.inputs.empty() ? "no input is given" : "`epass run` takes one input",
                    "`epass run IN`")
            .error());
  auto format = read_format(arguments);
  if (!format) return job.fail(format.error());
  auto options = read_options(arguments);
  if (!options) return job.fail(options.error());
  auto input = driver::read_input(arguments.inputs[0], *format);
  if (!input) return job.fail(input.error());
  auto file = driver::read_code(std::move(*input));
  if (!file) return job.fail(file.error());
  if (file->module) {
    Error error{.message = "`.epir` text holds no bytecode", .code = "input-format"};
    error.where.object = file->name;
    error.help = "`epass lower` makes bytecode of it";
    return job.fail(error);
  }
  auto selected = driver::select_functions(file->program(), arguments.all("prog"), false);
  if (!selected) return job.fail(selected.error());
  int status = kDone;
  std::string json;
  bool go_on = true;
  for (uint32_t i = 0; i < file->program().functions.size() && go_on; ++i) {
    const bpf::FunctionId id{i};
    if (!(*selected)[i] || !file->program().functions[id].is_entry) continue;
    status = std::max(status, run_program(job, *file, id, *options, json, go_on));
  }
  if (auto written = job.write_json(json); !written) return job.fail(written.error());
  return status;
}

}  // namespace epass::tool
