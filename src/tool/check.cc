// `epass check`: what can be said against a program without a kernel.

#include "bpf/check.h"

#include "base/format.h"
#include "driver/compile.h"
#include "driver/input.h"
#include "tool/command.h"
#include "tool/json.h"
#include "tool/opt_report.h"
#include "tool/source_place.h"

namespace epass::tool {

namespace {

struct Count {
  size_t functions = 0, faulty = 0, faults = 0, doubts = 0;
};

std::string json_fault(const bpf::Fault& fault, const Diagnostic& d) {
  JsonLine line;
  line.text("code", fault.code).number("insn", fault.insn).text("message", fault.message);
  line.boolean_or_null("certain", fault.certain);
  line.text_or_null("file", d.file);
  line.number_or_null("line", d.file_line < 0 ? std::nullopt : std::optional(d.file_line));
  return line.object();
}

std::string summary(const std::string& path, const Count& count) {
  const std::string doubts =
      count.doubts ? format(", {} warning{}", count.doubts, count.doubts == 1 ? "" : "s") : std::string();
  if (count.faults)
    return format("{}: {} of {} function{} with faults, {} in all{}\n", printable(path), count.faulty,
                  count.functions, count.functions == 1 ? "" : "s", count.faults, doubts);
  return format("{}: {} function{}, no faults{}\n", printable(path), count.functions,
                count.functions == 1 ? "" : "s", doubts);
}

void report_file(Job& job, const driver::CodeFile& file, const std::vector<bool>& selected, Count& count,
                 std::string& json) {
  const std::vector<bpf::Fault> faults = bpf::check(file.program());
  size_t at = 0;
  for (uint32_t n = 0; n < file.program().functions.size(); ++n) {
    const bpf::Function& fn = file.program().functions[bpf::FunctionId{n}];
    std::string list;
    bool faulty = false;
    for (; at < faults.size() && faults[at].function.index == n; ++at) {
      if (!selected[n]) continue;
      const bpf::Fault& fault = faults[at];
      Diagnostic d{.error = {.message = fault.message, .code = fault.code}};
      d.error.help = fault.help;
      if (!fault.certain) {
        d.level = Diagnostic::Level::kWarning;
        d.error.notes.push_back(
            "some path goes around it: a kernel that sees that this one is never taken accepts it");
      }
      show_place(d, file, fault.function, fault.insn);
      list += (list.empty() ? "" : ",") + json_fault(fault, d);
      job.diagnostics.add(d);
      faulty |= fault.certain;
      ++(fault.certain ? count.faults : count.doubts);
    }
    if (!selected[n]) continue;
    ++count.functions, count.faulty += faulty;
    if (!job.arguments.has("json")) continue;
    JsonLine line = program_line(file.name, fn.section, fn.name, fn.type);
    line.boolean_or_null("ok", !faulty).number("insns", static_cast<int64_t>(fn.insns.size()));
    json += line.raw("faults", "[" + list + "]").line();
  }
}

}  // namespace

int run_check(Job& job) {
  const Arguments& arguments = job.arguments;
  auto format_of = read_format(arguments);
  if (!format_of) return job.fail(format_of.error());
  if (arguments.inputs.empty()) return job.fail(usage_error("no input is given", "`epass check IN`").error());
  int status = kDone;
  std::string json;
  for (const std::string& path : arguments.inputs) {
    auto input = driver::read_input(path, *format_of);
    auto file = input ? driver::read_code(std::move(*input)) : Result<driver::CodeFile>(fail(input.error()));
    if (!file) {
      status = job.fail(file.error());
      continue;
    }
    if (file->module) {
      Error error{.message = "`.epir` text holds no bytecode", .code = "input-format"};
      error.where.object = file->name;
      error.help = "`epass lower` makes bytecode of it";
      status = job.fail(error);
      continue;
    }
    auto selected = driver::select_functions(file->program(), arguments.all("prog"), true);
    if (!selected) return job.fail(selected.error());
    Count count;
    report_file(job, *file, *selected, count, json);
    if (count.faults) status = kNo;
    if (!arguments.has("json") && !job.ui.quiet) job.ui.report(summary(path, count));
  }
  if (auto written = job.write_json(json); !written) return job.fail(written.error());
  return status;
}

}  // namespace epass::tool
