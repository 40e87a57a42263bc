// `epass print`: the disassembly, or the program in SSA form.

#include "base/format.h"
#include "driver/compile_file.h"
#include "driver/glob.h"
#include "driver/listing.h"
#include "tool/command.h"
#include "tool/json.h"
#include "tool/opt_report.h"
#include "tool/side_by_side.h"

namespace epass::tool {

namespace {

std::string json_line(const driver::CodeFile& file, const bpf::Function& fn) {
  JsonLine line = program_line(file.name, fn.section, fn.name, fn.type);
  line.text("kind", fn.is_entry ? "program" : "function")
      .number("insns", static_cast<int64_t>(fn.insns.size()));
  line.text("isa", format("v{}", int(bpf::isa_of(fn.insns))));
  return line.line();
}

int print_code(Job& job, driver::Input input) {
  const Arguments& arguments = job.arguments;
  auto file = driver::read_code(std::move(input));
  if (!file) return job.fail(file.error());
  auto selected = driver::select_functions(file->program(), arguments.all("prog"), false);
  if (!selected) return job.fail(selected.error());
  const driver::ListingOptions options{.raw = arguments.has("raw"), .source = !arguments.has("no-source")};
  bool first = true;
  for (uint32_t i = 0; i < file->program().functions.size(); ++i) {
    if (!(*selected)[i]) continue;
    const bpf::FunctionId id{i};
    if (arguments.has("json")) {
      job.ui.output(json_line(*file, file->program().functions[id]));
      continue;
    }
    job.ui.output((first ? "" : "\n") + driver::listing(*file, id, options));
    first = false;
  }
  return kDone;
}

int print_ssa(Job& job, driver::Input input) {
  driver::FileOptions options{.emit = driver::Emit::kEpir};
  options.pipeline.text = "O0";
  options.compile.programs = job.arguments.all("prog");
  const bool had_code = input.format != driver::Format::kEpir;
  if (job.arguments.has("side-by-side") && !had_code)
    return job.fail(usage_error("`.epir` text has no bytecode beside it", "`epass lower` makes it").error());
  const std::string text(had_code ? "" : input.text());
  auto file = driver::compile_file(std::move(input), options);
  if (!file) return job.fail_in_text(file.error(), "", "", text);
  report_kept({.file = *file}, job.diagnostics);
  if (job.arguments.has("side-by-side")) {
    job.ui.output(side_by_side(*file));
    return kDone;
  }
  job.ui.output({reinterpret_cast<const char*>(file->bytes.data()), file->bytes.size()});
  return kDone;
}

}  // namespace

int run_print(Job& job) {
  const Arguments& arguments = job.arguments;
  auto format_of = read_format(arguments);
  if (!format_of) return job.fail(format_of.error());
  if (arguments.inputs.empty()) return job.fail(usage_error("no input is given", "`epass print IN`").error());
  if (arguments.has("side-by-side") && !arguments.has("ir"))
    return job.fail(
        usage_error("`--side-by-side` puts the SSA form beside the bytecode", "add `--ir`").error());
  int status = kDone;
  for (const std::string& path : arguments.inputs) {
    auto input = driver::read_input(path, *format_of);
    if (!input) {
      status = job.fail(input.error());
      continue;
    }
    const bool ssa = arguments.has("ir") || input->format == driver::Format::kEpir;
    const int done = ssa ? print_ssa(job, std::move(*input)) : print_code(job, std::move(*input));
    if (done != kDone) status = done;
  }
  return status;
}

}  // namespace epass::tool
