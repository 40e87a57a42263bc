// `epass stats`: the figures of programs, before and after.

#include "tool/stats.h"

#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/format.h"
#include "driver/compile.h"
#include "driver/files.h"
#include "judge/judge.h"
#include "judge/world.h"
#include "kernel/run_time.h"
#include "kernel/test_run.h"
#include "kernel/verify.h"
#include "tool/command.h"
#include "tool/opt_report.h"
#include "tool/progress.h"

namespace epass::tool {

namespace {

using Key = std::pair<std::string, std::string>;  // section and program

struct Side {
  driver::CodeFile file = {};
  std::vector<uint8_t> bytes = {};
  std::map<Key, kernel::Verdict> verdicts = {};
  std::map<Key, kernel::Fd> loaded = {};  // with --run-time
};

Result<Side> read_side(const std::string& path, std::optional<driver::Format> format) {
  auto input = driver::read_input(path, format);
  if (!input) return fail(input.error());
  Side side{.bytes = input->bytes};
  auto file = driver::read_code(std::move(*input));
  if (!file) return fail(file.error());
  if (file->module) {
    Error error{.message = "`.epir` text holds no bytecode", .code = "input-format"};
    error.where.object = file->name;
    error.help = "`epass lower` makes bytecode of it";
    return fail(error);
  }
  side.file = std::move(*file);
  return side;
}

Result<void> ask_kernel(Side& side, kernel::VerifyOptions options, const std::vector<std::string>& names,
                        bool keep, const Ui& ui) {
  options.wanted = [&](const std::string& name) { return std::ranges::find(names, name) != names.end(); };
  Progress progress(ui, "verifying", names.size());
  options.progress = [&](const kernel::Verdict& v) { progress.step(v.program); };
  if (keep)
    options.loaded = [&](const kernel::Verdict& v, int program, const std::vector<kernel::LoadedMap>&) {
      if (kernel::takes_packets(v.type)) side.loaded[{v.section, v.program}] = kernel::Fd(dup(program));
    };
  std::vector<bpf::Insn> insns;  // flat code
  for (uint32_t n = 0; !side.file.object && n < side.file.flat.functions.size(); ++n) {
    const bpf::Function& fn = side.file.flat.functions[bpf::FunctionId{n}];
    insns.insert(insns.end(), fn.insns.begin(), fn.insns.end());
  }
  auto verdicts = side.file.object ? kernel::verify_object(side.bytes, side.file.name, options)
                                   : kernel::verify_flat(insns, side.file.name, options);
  if (!verdicts) return fail(verdicts.error());
  for (kernel::Verdict& v : *verdicts) {
    Key key{side.file.object ? v.section : "", v.program};
    side.verdicts.emplace(std::move(key), std::move(v));
  }
  return {};
}

// The function and what it calls.
uint64_t records_of(const bpf::Program& program, const std::string& name) {
  auto reached = driver::select_functions(program, {name});
  uint64_t records = 0;
  for (uint32_t n = 0; reached && n < program.functions.size(); ++n)
    if ((*reached)[n]) records += program.functions[bpf::FunctionId{n}].insns.size();
  return records;
}

Figures figures_of(const Side& side, const bpf::Function& fn) {
  Figures out;
  out.values[0] = double(records_of(side.file.program(), fn.name));
  auto found = side.verdicts.find({fn.section, fn.name});
  if (found == side.verdicts.end()) found = side.verdicts.find({"", fn.name});
  if (found == side.verdicts.end() && !side.file.object && side.verdicts.size() == 1)
    found = side.verdicts.begin();
  if (found == side.verdicts.end()) return out;
  const kernel::Verdict& v = found->second;
  out.accepted = v.accepted;
  if (v.accepted != std::optional(true)) {
    out.reason = v.reason;
    return out;
  }
  const int64_t known[] = {v.insn_processed, v.total_states, v.xlated_bytes, v.jited_bytes, v.stack_depth};
  for (size_t n = 0; n < std::size(known); ++n)
    if (known[n] >= 0) out.values[n + 1] = double(known[n]);
  return out;
}

// Runs the program, or both in turns.
void time_program(const Side& a, const Side* b, bpf::FunctionId id, StatsRow& row) {
  constexpr int kRounds = 16;
  const Key key{row.section, row.program};
  auto first = a.loaded.find(key);
  if (first == a.loaded.end()) return;
  const int before = first->second.get();
  int after = before;
  if (b) {
    auto second = b->loaded.find(key);
    if (second == b->loaded.end()) return;
    after = second->second.get();
  }
  const std::string& type = a.verdicts.at(key).type;
  const kernel::Fd empty = kernel::load_empty(type);
  if (!empty) return;
  const vm::Executable executable(a.file.program());
  judge::Settings settings{.context = judge::context_of(type), .minimise = false};
  settings.options = judge::options_of(a.file.program(), a.file.object.get());
  const auto packets = judge::packets_for({executable, id}, settings);
  const kernel::Packet* packet = kernel::slowest_packet(before, packets);
  if (!packet) return;
  const kernel::RunTime time = kernel::run_time({&before, 1}, {&after, 1}, empty.get(), *packet, kRounds);
  if (time.before <= 0) return;
  row.a.values[kRunTime] = time.before, row.run_noise = time.noise;
  if (b) row.b.values[kRunTime] = time.after;
}

const bpf::Function* counterpart(const Side& side, const bpf::Function& fn) {
  const bpf::Program& program = side.file.program();
  for (uint32_t n = 0; n < program.functions.size(); ++n) {
    const bpf::Function& other = program.functions[bpf::FunctionId{n}];
    if (other.is_entry && other.name == fn.name && other.section == fn.section) return &other;
  }
  return nullptr;
}

Result<Stats> gather(const Job& job, Side& a, Side* b, const kernel::VerifyOptions& options) {
  Stats stats{.a = a.file.name, .b = b ? b->file.name : ""};
  auto selected = driver::select_functions(a.file.program(), job.arguments.all("prog"), false);
  if (!selected) return fail(selected.error());
  std::vector<bpf::FunctionId> ids;
  std::vector<std::string> names;
  for (uint32_t n = 0; n < a.file.program().functions.size(); ++n) {
    const bpf::Function& fn = a.file.program().functions[bpf::FunctionId{n}];
    if ((*selected)[n] && fn.is_entry) ids.push_back(bpf::FunctionId{n}), names.push_back(fn.name);
  }
  const bool times = job.arguments.has("run-time");
  stats.why_no_kernel = kernel::why_no_bpf();
  if (stats.why_no_kernel.empty()) {
    stats.kernel = kernel::release();
    for (Side* side : {&a, b})
      if (side)
        if (auto done = ask_kernel(*side, options, names, times, job.ui); !done) return fail(done.error());
  }
  const bool harmless = times && !kernel::acts_on_the_machine(a.file.program());
  Progress progress(job.ui, "running", ids.size());
  for (bpf::FunctionId id : ids) {
    const bpf::Function& fn = a.file.program().functions[id];
    StatsRow row{.section = fn.section, .program = fn.name, .type = fn.type, .a = figures_of(a, fn)};
    if (b)
      if (const bpf::Function* other = counterpart(*b, fn)) row.b = figures_of(*b, *other);
    if (harmless) time_program(a, b, id, row), progress.step(fn.name);
    stats.rows.push_back(std::move(row));
  }
  return stats;
}

Result<kernel::VerifyOptions> read_options(const Arguments& arguments) {
  kernel::VerifyOptions options{.type = arguments.get("type")};
  if (!options.type.empty() && !kernel::load_type(options.type))
    return usage_error(format("`--type`: no program type is called `{}`", options.type),
                       "a section prefix such as `xdp` or `kprobe`");
  if (!arguments.has("maps")) return options;
  auto csv = driver::read_file(arguments.get("maps"));
  if (!csv) return fail(csv.error());
  options.maps.assign(csv->begin(), csv->end());
  return options;
}

Bytes bytes_of(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

}  // namespace

int run_stats(Job& job) {
  const Arguments& arguments = job.arguments;
  if (arguments.inputs.empty() || arguments.inputs.size() > 2)
    return job.fail(
        usage_error(format("`epass stats` takes one input or two, not {}", arguments.inputs.size()),
                    "`epass stats BEFORE AFTER`")
            .error());
  auto format_of = read_format(arguments);
  if (!format_of) return job.fail(format_of.error());
  auto options = read_options(arguments);
  if (!options) return job.fail(options.error());
  for (const char* output : {"html", "json"})
    if (!arguments.get(output).empty())
      if (auto can = driver::check_writable(arguments.get(output)); !can) return job.fail(can.error());
  auto a = read_side(arguments.inputs[0], *format_of);
  if (!a) return job.fail(a.error());
  std::optional<Side> b;
  if (arguments.inputs.size() == 2) {
    auto second = read_side(arguments.inputs[1], *format_of);
    if (!second) return job.fail(second.error());
    b = std::move(*second);
  }
  auto stats = gather(job, *a, b ? &*b : nullptr, *options);
  if (!stats) return job.fail(stats.error());
  if (stats->rows.empty()) {
    Error error{.message = "no program was found that could be loaded", .code = "no-programs"};
    error.where.object = a->file.name;
    job.diagnostics.warning(error);
  }
  if (!arguments.get("html").empty())
    if (auto done = driver::write_file(arguments.get("html"), bytes_of(stats_page(*stats))); !done)
      return job.fail(done.error());
  if (auto written = job.write_json(stats_json(*stats)); !written) return job.fail(written.error());
  if (!job.ui.quiet && (!arguments.has("json") || !arguments.get("json").empty()))
    job.ui.report(stats_screen(*stats, job.ui));
  const bool lost = std::ranges::any_of(stats->rows, [](const StatsRow& row) {
    return row.a.accepted == std::optional(true) && row.b.accepted == std::optional(false);
  });
  return lost || stats->rows.empty() ? kNo : kDone;
}

}  // namespace epass::tool
