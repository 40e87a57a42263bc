// `epass verify`: what does this kernel say about every program? Nothing is attached.

#include "kernel/verify.h"

#include <algorithm>

#include "base/format.h"
#include "driver/compile.h"
#include "driver/files.h"
#include "driver/places.h"
#include "tool/command.h"
#include "tool/json.h"
#include "tool/opt_report.h"
#include "tool/progress.h"
#include "tool/source_place.h"
#include "tool/text_table.h"

namespace epass::tool {

namespace {

using kernel::Verdict;
using Verdicts = std::vector<Verdict>;

std::optional<int64_t> known(int64_t number) { return number < 0 ? std::nullopt : std::optional(number); }

std::string json_line(const Verdict& v) {
  JsonLine line = program_line(v.object, v.section, v.program, v.type);
  line.boolean_or_null("accepted", v.accepted).number_or_null("errno", known(v.error > 0 ? v.error : -1));
  line.text_or_null("reason", v.reason).number_or_null("insns", known(v.insns));
  line.number_or_null("insn_processed", known(v.insn_processed));
  line.number_or_null("total_states", known(v.total_states));
  line.number_or_null("verification_time_us", known(v.verification_time_us));
  line.number_or_null("nr_line_info", known(v.nr_line_info))
      .number_or_null("nr_func_info", known(v.nr_func_info));
  line.number_or_null("xlated_bytes", known(v.xlated_bytes))
      .number_or_null("jited_bytes", known(v.jited_bytes))
      .number_or_null("stack_depth", known(v.stack_depth));
  return line.line();
}

std::string count_or_dash(int64_t number, uint64_t plain = 9999) {
  return number < 0 ? "-" : with_commas(static_cast<uint64_t>(number), plain);
}

std::string screen(const std::string& name, const Verdicts& verdicts, const Ui& ui) {
  TextTable table(
      {{"program"}, {"type"}, {"insns", true}, {"processed", true}, {"states", true}, {"verdict"}});
  size_t accepted = 0, rejected = 0;
  for (const Verdict& v : verdicts) {
    const bool yes = v.accepted == std::optional(true), no = v.accepted == std::optional(false);
    accepted += yes, rejected += no;
    table.row({printable(v.program), v.type, count_or_dash(v.insns), count_or_dash(v.insn_processed, 999),
               count_or_dash(v.total_states),
               yes  ? "accepted"
               : no ? "rejected: " + printable(v.reason)
                    : printable(v.reason)});
  }
  return format("{} on Linux {}\n", printable(name), kernel::release()) + table.text(ui.width()) +
         format("{} accepted, {} rejected, {} not judged\n", accepted, rejected,
                verdicts.size() - accepted - rejected);
}

void report_rejections(const driver::CodeFile& file, const Verdicts& verdicts, Diagnostics& diagnostics) {
  for (const Verdict& v : verdicts) {
    if (v.accepted != std::optional(false)) continue;
    Diagnostic d{
        .error = {.message = format("the kernel rejects `{}`: {}", v.program, v.reason), .code = "rejected"}};
    d.error.where = {.object = file.name, .section = v.section, .function = v.program};
    d.error.help =
        format("`epass verify {} --prog {} --kernel-log 1` prints the verifier's log", file.name, v.program);
    auto entry = driver::find_entry(file.program(), v.section, v.program);
    if (entry && v.failing_insn >= 0) {
      auto place = driver::place_of_loaded(file.program(), *entry, static_cast<uint32_t>(v.failing_insn));
      if (place) show_place(d, file, place->function, place->insn);
      d.kernel_insn = v.failing_insn;
    }
    diagnostics.add(d);
  }
}

Error permission_error(const std::string& why) {
  Error error{.message = "this user may not load BPF programs", .code = "kernel-permission"};
  error.notes.push_back(why);
  error.help = "`sudo epass verify ...`; `epass opt` and `epass print` need no kernel";
  return error;
}

Result<kernel::VerifyOptions> read_options(const Arguments& arguments) {
  kernel::VerifyOptions options;
  options.type = arguments.get("type");
  if (!options.type.empty() && !kernel::load_type(options.type)) {
    return usage_error(format("`--type`: no program type is called `{}`", options.type),
                       "a section prefix such as `xdp` or `kprobe`");
  }
  if (arguments.has("maps")) {
    auto csv = driver::read_file(arguments.get("maps"));
    if (!csv) return fail(csv.error());
    options.maps.assign(csv->begin(), csv->end());
  }
  if (arguments.has("kernel-log")) {
    auto level = parse_number("--kernel-log", arguments.get("kernel-log"), 0, 15);
    if (!level) return fail(level.error());
    options.log_level = static_cast<int>(*level);
  }
  return options;
}

Result<Verdicts> ask(const driver::CodeFile& file, Bytes bytes, kernel::VerifyOptions options, const Ui& ui,
                     const std::vector<std::string>& programs) {
  auto selected = driver::select_functions(file.program(), programs, false);
  if (!selected) return fail(selected.error());
  std::vector<std::string> names;
  for (uint32_t i = 0; i < file.program().functions.size(); ++i)
    if ((*selected)[i] && file.program().functions[bpf::FunctionId{i}].is_entry)
      names.push_back(file.program().functions[bpf::FunctionId{i}].name);
  if (!programs.empty())
    options.wanted = [&](const std::string& name) { return std::ranges::find(names, name) != names.end(); };
  Progress progress(ui, "verifying", names.size());
  options.progress = [&](const Verdict& v) { progress.step(v.program); };
  if (file.object) return kernel::verify_object(bytes, file.name, options);
  std::vector<bpf::Insn> insns;
  for (uint32_t i = 0; i < file.flat.functions.size(); ++i) {
    const bpf::Function& fn = file.flat.functions[bpf::FunctionId{i}];
    insns.insert(insns.end(), fn.insns.begin(), fn.insns.end());
  }
  return kernel::verify_flat(insns, file.name, options);
}

// The file's answer as an exit status.
Result<int> verify_file(Job& job, const std::string& path, const kernel::VerifyOptions& options,
                        std::optional<driver::Format> format, std::string& json) {
  auto input = driver::read_input(path, format);
  if (!input) return fail(input.error());
  const std::vector<uint8_t> bytes = input->bytes;
  auto file = driver::read_code(std::move(*input));
  if (!file) return fail(file.error());
  auto verdicts = ask(*file, bytes, options, job.ui, job.arguments.all("prog"));
  if (!verdicts) {
    Error error = verdicts.error();
    if (error.where.object.empty())
      error.where.object = error.code == "maps-file" ? job.arguments.get("maps") : path;
    return fail(std::move(error));
  }
  if (options.log_level > 0)
    for (const Verdict& v : *verdicts)
      job.ui.complain(epass::format("log of `{}`:\n{}", printable(v.program), v.log));
  if (job.arguments.has("json")) {
    for (const Verdict& v : *verdicts) json += json_line(v);
  } else if (!job.ui.quiet) {
    job.ui.report(screen(path, *verdicts, job.ui));
  }
  report_rejections(*file, *verdicts, job.diagnostics);
  // No answer is not the answer yes.
  int status = verdicts->empty() && !job.arguments.has("allow-not-judged") ? kNo : kDone;
  if (verdicts->empty()) {
    Error error{.message = "no program was found that could be loaded", .code = "no-programs"};
    error.where.object = path;
    job.diagnostics.warning(error);
  }
  for (const Verdict& v : *verdicts)
    if (v.accepted == std::optional(false) || (!v.accepted && !job.arguments.has("allow-not-judged")))
      status = kNo;
  return status;
}

}  // namespace

int run_verify(Job& job) {
  const Arguments& arguments = job.arguments;
  if (arguments.inputs.empty())
    return job.fail(usage_error("no input is given", "`epass verify IN`").error());
  auto format = read_format(arguments);
  if (!format) return job.fail(format.error());
  auto options = read_options(arguments);
  if (!options) return job.fail(options.error());
  int status = kDone;
  std::string json;
  for (const std::string& path : arguments.inputs) {
    auto done = verify_file(job, path, *options, *format, json);
    if (!done) job.diagnostics.error(done.error());
    if (!done || *done != kDone) status = kNo;
  }
  if (auto written = job.write_json(json); !written) return job.fail(written.error());
  if (status != kDone)
    if (std::string why = kernel::why_no_bpf(); !why.empty()) job.diagnostics.error(permission_error(why));
  return status;
}

}  // namespace epass::tool
