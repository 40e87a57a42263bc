// `epass compare`: do two files behave the same?

#include "tool/compare.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/format.h"
#include "driver/compile.h"
#include "driver/listing.h"
#include "driver/places.h"
#include "judge/inputs.h"
#include "judge/trace.h"
#include "judge/world.h"
#include "tool/json.h"
#include "tool/opt_report.h"
#include "tool/progress.h"
#include "tool/source_place.h"

namespace epass::tool {

namespace {

struct Pair {
  bpf::FunctionId first = {}, second = {};
  judge::Settings settings = {};
  judge::Verdict verdict = {};
};

Result<driver::CodeFile> read_side(const std::string& path, std::optional<driver::Format> format) {
  auto input = driver::read_input(path, format);
  if (!input) return fail(input.error());
  auto file = driver::read_code(std::move(*input));
  if (!file || !file->module) return file;
  Error error{.message = "`.epir` text holds no bytecode", .code = "input-format"};
  error.where.object = file->name;
  error.help = "`epass lower` makes bytecode of it";
  return fail(error);
}

Result<judge::Settings> read_settings(const Arguments& arguments) {
  judge::Settings settings;
  const struct {
    const char* option;
    uint64_t* value;
    uint64_t least;
  } numbers[] = {
      {"inputs", &settings.inputs, 1}, {"seed", &settings.seed, 0}, {"budget", &settings.budget, 1}};
  for (const auto& [option, value, least] : numbers) {
    if (!arguments.has(option)) continue;
    auto number = parse_number(format("--{}", option), arguments.get(option), least, uint64_t{1} << 40);
    if (!number) return fail(number.error());
    *value = *number;
  }
  if (arguments.has("engine")) {
    const std::string engines[] = {"interp", "jit", "kernel"};
    auto engine = parse_word("--engine", arguments.get("engine"), engines);
    if (!engine) return fail(engine.error());
    settings.engine = *engine == 1 ? vm::Engine::kJit : vm::Engine::kInterpreter;
  }
  return settings;
}

// Each program of the first that was asked for, with its counterpart.
Result<std::vector<Pair>> match(const driver::CodeFile& a, const bpf::Program& b, const std::string& b_name,
                                const Arguments& arguments, const judge::Settings& settings) {
  auto selected = driver::select_functions(a.program(), arguments.all("prog"), false);
  if (!selected) return fail(selected.error());
  const vm::Options options = judge::options_of(a.program(), a.object.get());
  std::vector<Pair> pairs;
  for (uint32_t n = 0; n < a.program().functions.size(); ++n) {
    const bpf::FunctionId id{n};
    const bpf::Function& fn = a.program().functions[id];
    if (!(*selected)[n] || !fn.is_entry || fn.insns.empty()) continue;
    // The functions of `b` are in the order of `a`.
    if (b.functions[id].insns.empty()) {
      Error error{.message = format("`{}` has no program `{}` in section `{}`", b_name, fn.name, fn.section),
                  .code = "unknown-program"};
      error.where.object = b_name;
      error.help = "`--prog` chooses what is compared";
      return fail(error);
    }
    Pair pair{.first = id, .second = id, .settings = settings};
    pair.settings.context = judge::context_of(fn.type);
    pair.settings.options = options;
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

void run_all(std::vector<Pair>& pairs, const vm::Executable& a, const vm::Executable& b, unsigned threads,
             const Ui& ui) {
  Progress progress(ui, "comparing", pairs.size());
  std::atomic<size_t> next = 0;
  auto work = [&] {
    for (size_t n; (n = next++) < pairs.size();) {
      Pair& pair = pairs[n];
      pair.verdict = judge::compare({a, pair.first}, {b, pair.second}, pair.settings);
      progress.step(a.program().functions[pair.first].name);
    }
  };
  std::vector<std::thread> others;
  for (unsigned n = 1; n < std::min<size_t>(threads, pairs.size()); ++n) others.emplace_back(work);
  work();
  for (std::thread& t : others) t.join();
}

// The rows of both traces, and the place in the second where they part.
std::string trace_text(const driver::CodeFile& a, const driver::CodeFile& b,
                       const std::vector<judge::Row>& rows) {
  constexpr size_t kText = 30, kEffect = 20;
  // Functions of `b` were moved: by name again.
  auto side =
      [&](const std::optional<judge::Step>& step, const driver::CodeFile& file,
          bpf::FunctionId (*where)(const driver::CodeFile&, const driver::CodeFile&, bpf::FunctionId)) {
        if (!step) return cut("   -", 6 + kText + 1 + kEffect);
        const bpf::FunctionId id = where(a, file, step->function);
        const std::string text = id ? driver::insn_text(file, id, step->insn) : "?";
        return format("{:>5} {} {}", step->insn, cut(text, kText), cut(step->effect, kEffect));
      };
  auto same = [](const driver::CodeFile&, const driver::CodeFile&, bpf::FunctionId id) { return id; };
  auto moved = [](const driver::CodeFile& from, const driver::CodeFile& to, bpf::FunctionId id) {
    if (id.index >= from.program().functions.size()) return bpf::FunctionId{};
    const bpf::Function& fn = from.program().functions[id];
    for (uint32_t n = 0; n < to.program().functions.size(); ++n) {
      const bpf::Function& other = to.program().functions[bpf::FunctionId{n}];
      if (other.name == fn.name && other.section == fn.section) return bpf::FunctionId{n};
    }
    return bpf::FunctionId{};
  };
  std::string text = "    " + cut("original", 6 + kText + kEffect + 3) + "second\n";
  for (const judge::Row& row : rows) {
    std::string line =
        format("  {} {}  {}", row.differs ? '!' : ' ', side(row.first, a, same), side(row.second, b, moved));
    while (line.ends_with(' ')) line.pop_back();
    text += line + "\n";
  }
  return text;
}

void report_difference(Job& job, const Pair& pair, const driver::CodeFile& a, const driver::CodeFile& b,
                       const vm::Executable& first, const vm::Executable& second) {
  const bpf::Function& fn = a.program().functions[pair.first];
  const judge::Difference& difference = *pair.verdict.difference;
  Diagnostic d{.error = {.message = format("`{}` behaves differently: {}", fn.name, difference.why),
                         .code = "behaviour-differs"}};
  d.error.where.object = b.name, d.error.where.section = fn.section, d.error.where.function = fn.name;
  d.error.notes.push_back("input: " + judge::describe(difference.input));
  d.error.help = "`epass run` runs either of them; `epass reduce` makes the program small";
  job.diagnostics.add(d);
  vm::Options options = pair.settings.options;
  options.unknown_value_size = difference.unknown_value_size;
  const auto rows =
      judge::side_by_side({first, pair.first}, {second, pair.second}, difference.input, options, 16);
  if (!job.ui.quiet && !job.ui.json_diagnostics) job.ui.complain(trace_text(a, b, rows));
}

std::string json_of(const Pair& pair, const driver::CodeFile& a) {
  const bpf::Function& fn = a.program().functions[pair.first];
  const judge::Verdict& v = pair.verdict;
  JsonLine line = program_line(a.name, fn.section, fn.name, fn.type);
  line.boolean_or_null("same", !v.difference);
  line.number("inputs", int64_t(v.inputs)).number("undecided", int64_t(v.undecided));
  line.number("faults", int64_t(v.faults)).number("blocks", v.blocks).number("covered", v.covered);
  line.text_or_null("difference", v.difference ? v.difference->why : "");
  line.text_or_null("input", v.difference ? judge::describe(v.difference->input) : "");
  return line.line();
}

std::string row_text(const Pair& pair, const driver::CodeFile& a, size_t width) {
  const judge::Verdict& v = pair.verdict;
  std::string text = format("  {}  {:>6} inputs  {:>5} of {} blocks   {}",
                            cut(printable(a.program().functions[pair.first].name), width),
                            with_commas(v.inputs), v.covered, v.blocks, v.difference ? "DIFFERENT" : "same");
  if (v.undecided) text += format("   {} undecided", with_commas(v.undecided));
  if (v.faults) text += format("   {} faulting", with_commas(v.faults));
  return text + "\n";
}

std::string summary(const std::vector<Pair>& pairs, uint64_t seed) {
  double sum = 0, worst = 1;
  size_t different = 0;
  for (const Pair& pair : pairs) {
    const double share = pair.verdict.blocks ? double(pair.verdict.covered) / pair.verdict.blocks : 1;
    sum += share, worst = std::min(worst, share), different += pair.verdict.difference.has_value();
  }
  std::string text = different ? format("{} of {} programs differ", different, pairs.size())
                               : std::string("same behaviour on every input tried");
  return text + format(" (seed {}); blocks run: mean {:.1f} %, worst {:.1f} %\n", seed,
                       100 * sum / double(pairs.size()), 100 * worst);
}

}  // namespace

std::string cut(std::string text, size_t width) {
  if (text.size() > width) text = text.substr(0, width - 2) + "..";
  return text + std::string(width - text.size(), ' ');
}

int run_compare(Job& job) {
  const Arguments& arguments = job.arguments;
  if (arguments.inputs.size() != 2)
    return job.fail(usage_error(format("`epass compare` takes two inputs, not {}", arguments.inputs.size()),
                                "`epass compare ORIGINAL SECOND`")
                        .error());
  auto format_of = read_format(arguments);
  if (!format_of) return job.fail(format_of.error());
  auto settings = read_settings(arguments);
  if (!settings) return job.fail(settings.error());
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  if (arguments.has("j")) {
    auto n = parse_number("-j", arguments.get("j"), 1, 1024);
    if (!n) return job.fail(n.error());
    threads = static_cast<unsigned>(*n);
  }
  auto a = read_side(arguments.inputs[0], *format_of);
  if (!a) return job.fail(a.error());
  auto b = read_side(arguments.inputs[1], *format_of);
  if (!b) return job.fail(b.error());
  if (arguments.has("rodata-const"))
    for (driver::CodeFile* file : {&*a, &*b})
      if (file->object) file->object->freeze_rodata();
  if (arguments.get("engine") == "kernel") return compare_in_kernel(job, *a, *b, *settings);
  const bpf::Program second = judge::aligned(a->program(), b->program());
  auto pairs = match(*a, second, b->name, arguments, *settings);
  if (!pairs) return job.fail(pairs.error());
  if (pairs->empty()) {
    Error error{.message = "there is no program to compare", .code = "no-programs"};
    error.where.object = a->name;
    return job.fail(error);
  }
  const vm::Executable first_code(a->program()), second_code(second);
  run_all(*pairs, first_code, second_code, threads, job.ui);
  std::string json;
  bool differ = false;
  size_t width = 8;
  for (const Pair& pair : *pairs)
    width = std::max(width, std::min<size_t>(a->program().functions[pair.first].name.size(), 32));
  for (const Pair& pair : *pairs) {
    if (arguments.has("json"))
      json += json_of(pair, *a);
    else if (!job.ui.quiet)
      job.ui.report(row_text(pair, *a, width));
    differ |= pair.verdict.difference.has_value();
    if (pair.verdict.difference) report_difference(job, pair, *a, *b, first_code, second_code);
  }
  if (!arguments.has("json") && !job.ui.quiet) job.ui.report(summary(*pairs, settings->seed));
  if (auto written = job.write_json(json); !written) return job.fail(written.error());
  return differ ? kNo : kDone;
}

}  // namespace epass::tool
