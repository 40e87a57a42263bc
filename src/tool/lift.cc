// `epass lift` and `epass lower`: bytecode to the text of the SSA form, and back.

#include "base/format.h"
#include "driver/compile_file.h"
#include "driver/files.h"
#include "tool/command.h"
#include "tool/opt_report.h"

namespace epass::tool {

namespace {

using driver::Emit;
using driver::Format;

struct Conversion {
  driver::FileOptions options = {};
  std::string input = {}, output = "-";
  std::optional<Format> format = {};
};

Result<Conversion> read_conversion(const Arguments& arguments, std::string_view command) {
  Conversion c;
  if (arguments.inputs.size() != 1)
    return usage_error(
        arguments.inputs.empty() ? "no input is given" : format("`epass {}` takes one input", command),
        format("`epass {} IN -o OUT`", command));
  c.input = arguments.inputs[0];
  c.output = arguments.get("o", "-");
  c.options.pipeline.text = arguments.get("passes", "O0");
  c.options.pipeline.verify_each = true;
  c.options.compile.programs = arguments.all("prog");
  c.options.compile.never_larger = false;
  if (arguments.has("isa")) {
    const std::string levels[] = {"auto", "v1", "v2", "v3", "v4"};
    auto isa = parse_word("--isa", arguments.get("isa"), levels);
    if (!isa) return fail(isa.error());
    if (*isa > 0) c.options.compile.isa = static_cast<bpf::Isa>(*isa);
  }
  auto input = read_format(arguments);
  if (!input) return fail(input.error());
  c.format = *input;
  if (auto can = driver::check_writable(c.output); !can) return fail(can.error());
  return c;
}

int convert(Job& job, const Conversion& c, bool from_ssa) {
  job.ui.stdout_is_product = c.output == "-";
  auto input = driver::read_input(c.input, c.format);
  if (!input) return job.fail(input.error());
  if (from_ssa != (input->format == Format::kEpir)) {
    Error error{.message = from_ssa ? "the input is no `.epir` text" : "the input is `.epir` text already",
                .code = "input-format"};
    error.where.object = c.input;
    error.help = from_ssa ? "`epass lift` makes `.epir` of bytecode" : "`epass opt` runs passes over it";
    return job.fail(error);
  }
  const std::string text(input->text());
  auto file = driver::compile_file(std::move(*input), c.options);
  if (!file) return job.fail_in_text(file.error(), "--passes", c.options.pipeline.text, text);
  const OptReport report{.file = *file};
  report_kept(report, job.diagnostics);
  if (job.diagnostics.errors() > 0) return kNo;
  auto done = driver::write_file(c.output, file->bytes, c.input);
  if (!done) return job.fail(done.error());
  if (c.output != "-" && !job.ui.quiet) job.ui.report(wrote_line(*file, c.output));
  return kDone;
}

}  // namespace

int run_lift(Job& job) {
  auto c = read_conversion(job.arguments, "lift");
  if (!c) return job.fail(c.error());
  c->options.emit = Emit::kEpir;
  return convert(job, *c, false);
}

int run_lower(Job& job) {
  auto c = read_conversion(job.arguments, "lower");
  if (!c) return job.fail(c.error());
  const std::vector<std::string> names = {"dump", "raw", "asm"};
  auto emit = parse_word("--emit", job.arguments.get("emit", "dump"), names);
  if (!emit) return job.fail(emit.error());
  constexpr Emit kEmits[] = {Emit::kDump, Emit::kRaw, Emit::kAsm};
  c->options.emit = kEmits[*emit];
  if (c->output == "-")
    if (auto can = check_terminal(*c->options.emit); !can) return job.fail(can.error());
  return convert(job, *c, true);
}

}  // namespace epass::tool
