// The screen of `epass opt`.

#include "tool/opt_report.h"

#include <unistd.h>

#include <algorithm>

#include "base/format.h"
#include "tool/json.h"
#include "tool/text_table.h"

namespace epass::tool {

namespace {

// One line of the table: a program, or the functions of one section that programs share.
struct Row {
  std::string name = {}, section = {}, kept = {};
  uint64_t before = 0, after = 0;
  std::string kernel = {};
  uint32_t functions = 1;
  bool is_entry = true;
};

std::vector<Row> rows_of(const OptReport& report) {
  std::vector<Row> rows;
  for (const driver::FunctionOutcome& out : report.file.compiled.functions) {
    if (!out.selected) continue;
    const bpf::Function& fn = report.file.program().functions[out.id];
    Row row{.name = fn.name,
            .section = fn.section,
            .before = out.insns_in,
            .after = out.insns_out,
            .is_entry = fn.is_entry};
    if (out.kept) row.kept = out.kept->code;
    if (!report.kernel.words.empty()) row.kernel = report.kernel.words[out.id.index];
    auto same =
        std::ranges::find_if(rows, [&](const Row& r) { return !r.is_entry && r.section == fn.section; });
    if (fn.is_entry || same == rows.end()) {
      rows.push_back(std::move(row));
      continue;
    }
    same->before += row.before, same->after += row.after, ++same->functions;
    if (same->kept.empty()) same->kept = row.kept;
  }
  for (Row& row : rows)
    if (!row.is_entry) {
      row.name = format("{} ({} function{})", row.section.empty() ? "subprograms" : row.section,
                        row.functions, row.functions == 1 ? "" : "s");
      row.section.clear();
    }
  return rows;
}

std::string plural(uint64_t n, std::string_view word) {
  return format("{} {}{}", with_commas(n), word, n == 1 ? "" : "s");
}

}  // namespace

std::string screen(const OptReport& report, const Ui& ui) {
  const std::vector<Row> rows = rows_of(report);
  const auto programs = static_cast<uint64_t>(std::ranges::count_if(rows, &Row::is_entry));
  std::string text =
      format("{}: {}, {}\n", printable(report.file.code.name), plural(programs, "program"), report.level);
  if (ui.verbose > 0) text += format("  pipeline: {}\n", report.pipeline.empty() ? "none" : report.pipeline);
  if (report.file.emit == driver::Emit::kEpir) return text;  // no code was made that could be counted
  size_t before_width = 0, after_width = 0;
  uint64_t before = 0, after = 0, unchanged = 0;
  for (const Row& row : rows) before += row.before, after += row.after;
  before_width = with_commas(before).size(), after_width = with_commas(after).size();
  const bool had_code = !report.file.code.module;  // `.epir` text has no old code to compare with
  auto counts = [&](uint64_t from, uint64_t to) {
    if (!had_code) return with_commas(to);
    return format("{:>{}} -> {:>{}}", with_commas(from), before_width, with_commas(to), after_width);
  };
  auto change_of = [&](uint64_t from, uint64_t to) {
    return had_code ? percent_change(from, to) : std::string();
  };
  std::vector<TextTable::Column> columns = {{"program"}, {"section", false, true}, {"insns"}, {"  change"}};
  const bool asked = !report.kernel.words.empty();
  if (asked) columns.push_back({"kernel"});
  TextTable table(columns);
  bool any = false;
  for (const Row& row : rows) {
    if (row.before == row.after && row.kept.empty() && ui.verbose == 0 && had_code && !asked) {
      unchanged += row.is_entry;
      continue;
    }
    any = true;
    const std::string change =
        row.kept.empty() ? format("{:>8}", change_of(row.before, row.after)) : "kept: " + row.kept;
    const bool same = row.before == row.after && !row.kept.empty();
    std::vector<std::string> cells = {
        printable(row.name), printable(row.section),
        same ? format("{:>{}}", with_commas(row.before), before_width) : counts(row.before, row.after),
        change};
    if (asked) cells.push_back(row.kernel);
    table.row(std::move(cells));
  }
  if (any || rows.size() > 1)
    table.row(asked ? std::vector<std::string>{"total", "", counts(before, after),
                                               format("{:>8}", change_of(before, after)), ""}
                    : std::vector<std::string>{"total", "", counts(before, after),
                                               format("{:>8}", change_of(before, after))});
  if (!table.empty()) text += table.text(ui.width());
  if (unchanged) text += format("  {} unchanged (-v)\n", plural(unchanged, "program"));
  return text;
}

static std::vector<std::string> left_out_for(const OptReport& report, bpf::FunctionId id) {
  std::vector<std::string> passes;
  for (const driver::LeftOut& l : report.kernel.left_out)
    if (l.function == id) passes.push_back(l.pass);
  return passes;
}

void report_left_out(const OptReport& report, Diagnostics& diagnostics) {
  for (const driver::LeftOut& l : report.kernel.left_out) {
    const bpf::Function& fn = report.file.program().functions[l.function];
    Error error{.message = format("the pass `{}` was left out for `{}`: {}", l.pass, fn.name, l.reason),
                .code = "pass-left-out"};
    error.where = {.object = report.file.code.name, .section = fn.section, .function = fn.name};
    error.help = "please report it with the object; the output is right";
    diagnostics.warning(error);
  }
}

std::string json_lines(const OptReport& report) {
  std::string text;
  for (const driver::FunctionOutcome& out : report.file.compiled.functions) {
    if (!out.selected) continue;
    const bpf::Function& fn = report.file.program().functions[out.id];
    JsonLine line = program_line(report.file.code.name, fn.section, fn.name, fn.type);
    line.text("kind", fn.is_entry ? "program" : "function");
    const bool had_code = !report.file.code.module;
    line.number_or_null("insns_in", had_code ? std::optional<int64_t>(out.insns_in) : std::nullopt);
    const bool has_code = report.file.emit != driver::Emit::kEpir;
    line.number_or_null("insns_out", has_code ? std::optional<int64_t>(out.insns_out) : std::nullopt);
    line.number_or_null("x86_bytes_in", had_code ? std::optional<int64_t>(out.x86_in) : std::nullopt);
    line.number_or_null("x86_bytes_out", has_code ? std::optional<int64_t>(out.x86_out) : std::nullopt);
    line.number_or_null("verifier_insns_in", had_code ? std::optional(int64_t(out.work_in)) : std::nullopt);
    line.number_or_null("verifier_insns_out", has_code ? std::optional(int64_t(out.work_out)) : std::nullopt);
    line.boolean_or_null("dropped", out.dropped);
    std::vector<std::string> inlined;
    if (out.code)
      for (const bpf::Inlined& from : out.code->inlined)
        inlined.push_back(report.file.program().functions[from.function].name);
    line.texts("inlined", inlined);
    line.text_or_null("kept", out.kept ? out.kept->code + ": " + out.kept->message : "");
    if (!report.kernel.words.empty()) {
      line.text_or_null("kernel", report.kernel.words[out.id.index]);
      line.texts("left_out", left_out_for(report, out.id));
    }
    text += line.line();
  }
  return text;
}

std::string wrote_line(const driver::CompiledFile& file, const std::string& output) {
  std::string size = with_commas(file.bytes.size());
  if (file.emit == static_cast<driver::Emit>(file.code.format))
    size = with_commas(file.code.size_bytes) + " -> " + size;
  return format("wrote {} ({} bytes)\n", output == "-" ? "standard output" : output, size);
}

void report_kept(const OptReport& report, Diagnostics& diagnostics) {
  for (const driver::FunctionOutcome& out : report.file.compiled.functions) {
    if (!out.kept) continue;
    Error error = *out.kept;
    error.where.object = report.file.code.name;
    // A size that did not shrink is no news: the table says it.
    if (error.code == "larger" && !diagnostics.is_strict("larger")) continue;
    error.message =
        format("`{}` kept as it was: {}", report.file.program().functions[out.id].name, error.message);
    diagnostics.warning(error);
  }
}

void report_passes(const OptReport& report, const driver::PipelineOptions& options, Ui& ui) {
  if (options.time_passes) {
    TextTable table({{"pass"}, {"runs", true}, {"time", true}});
    for (const driver::PassTime& time : report.file.passes.times)
      table.row({time.name, with_commas(time.runs),
                 format("{:.3f} ms", static_cast<double>(time.nanoseconds) / 1e6)});
    if (!table.empty()) ui.complain(table.text(0));
  }
  if (options.stats) {
    TextTable table({{"counter"}, {"count", true}});
    for (const auto& [name, count] : report.file.passes.counters) table.row({name, with_commas(count)});
    if (!table.empty()) ui.complain(table.text(0));
  }
}

Result<std::optional<driver::Format>> read_format(const Arguments& arguments) {
  if (!arguments.has("input")) return std::optional<driver::Format>();
  const std::vector<std::string> names(std::begin(driver::kEmitNames), std::begin(driver::kEmitNames) + 4);
  auto word = parse_word("--input", arguments.get("input"), names);
  if (!word) return fail(word.error());
  return std::optional(static_cast<driver::Format>(*word));
}

Result<void> check_terminal(driver::Emit emit) {
  const bool binary = emit == driver::Emit::kElf || emit == driver::Emit::kRaw;
  if (!binary || !isatty(STDOUT_FILENO)) return {};
  return usage_error("binary output to a terminal", "`-o FILE`, or `-o - > FILE`");
}

}  // namespace epass::tool
