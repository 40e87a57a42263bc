// `epass opt`: options, and the way from input to output. opt_report.cc has the screen.

#include <mutex>
#include <thread>

#include "base/format.h"
#include "driver/files.h"
#include "passes/registry.h"
#include "tool/command.h"
#include "tool/opt_report.h"
#include "tool/progress.h"

namespace epass::tool {

namespace {

using driver::Emit;
using driver::Format;

struct Request {
  std::string input, output, json, offset_map, remarks;
  std::vector<std::string> remark_passes = {};
  bool writes = false, wants_json = false, asks_kernel = false, strict_kernel = false;
  std::optional<Format> input_format = {};
  std::string level = "-O1";  // as the screen names it
  driver::FileOptions options = {};
};

std::string level_of(const Arguments& arguments) { return arguments.has("O") ? arguments.get("O") : ""; }

// Kernels for these processors let programs access packets and maps as they like.
#if defined(__x86_64__) || defined(__aarch64__) || defined(__powerpc64__) || defined(__s390x__)
constexpr bool kUnalignedIsFast = true;
#else
constexpr bool kUnalignedIsFast = false;
#endif

Result<void> read_pipeline(const Arguments& arguments, Request& request) {
  driver::PipelineOptions& pipeline = request.options.pipeline;
  if (arguments.has("O") && arguments.has("passes"))
    return usage_error(format("`-O{}` and `--passes` both choose the pipeline", level_of(arguments)),
                       format("a level may be part of it: `--passes 'O{},...'`", level_of(arguments)));
  if (arguments.has("O")) {
    std::vector<std::string> levels;
    for (std::string_view name : driver::kLevels) levels.emplace_back(name.substr(1));
    auto level = parse_word("-O", level_of(arguments), levels);
    if (!level) return fail(level.error());
    driver::set_level(request.options, driver::kLevels[*level]);
    request.level = "-O" + levels[*level];
  }
  if (arguments.has("objective")) {
    const std::string words[] = {"balanced", "size", "speed", "verifier"};
    auto word = parse_word("--objective", arguments.get("objective"), words);
    if (!word) return fail(word.error());
    if (!request.options.compile.tidy_code)
      return usage_error("`--objective` chooses among several ways to make code",
                         "`-O2`, `-Os` or `-O3` try them");
    request.options.compile.selection.objective = static_cast<driver::Objective>(*word);
  }
  if (arguments.has("passes")) {
    pipeline.text = arguments.get("passes");
    request.level = "--passes '" + pipeline.text + "'";
    request.options.compile.never_larger = false;
  }
  if (arguments.has("allow-atomic-rmw")) {
    pipeline.text += ",atomic-rmw,dce";
    request.level += " --allow-atomic-rmw";
  }
  pipeline.strict_alignment = !kUnalignedIsFast;
  if (arguments.has("unaligned")) {
    const std::string words[] = {"auto", "yes", "no"};
    auto word = parse_word("--unaligned", arguments.get("unaligned"), words);
    if (!word) return fail(word.error());
    if (*word > 0) pipeline.strict_alignment = *word == 2;
  }
  if (arguments.has("rodata-const")) {
    pipeline.text = "rodata-const" + (pipeline.text.empty() ? "" : "," + pipeline.text);
    request.level += " --rodata-const";
    request.options.rodata_const = true;
  }
  if (arguments.has("allow-larger")) request.options.compile.never_larger = false;
  pipeline.verify_each = arguments.has("verify-each");
  pipeline.print_before = arguments.all("print-before");
  pipeline.print_after = arguments.all("print-after");
  pipeline.print_after_all = arguments.has("print-after-all");
  pipeline.print_changed = arguments.has("print-changed");
  pipeline.time_passes = arguments.has("time-passes");
  pipeline.stats = arguments.has("stats");
  pipeline.remarks = arguments.has("remarks");
  if (arguments.has("bisect")) {
    auto n = parse_number("--bisect", arguments.get("bisect"), 0, UINT32_MAX);
    if (!n) return fail(n.error());
    pipeline.bisect = *n;
    request.options.compile.never_larger = false;  // half a pipeline may well grow a function
  }
  return {};
}

Result<void> read_compile_options(const Arguments& arguments, Request& request) {
  request.options.compile.programs = arguments.all("prog");
  if (arguments.has("isa")) {
    const std::string levels[] = {"auto", "v1", "v2", "v3", "v4"};
    auto isa = parse_word("--isa", arguments.get("isa"), levels);
    if (!isa) return fail(isa.error());
    if (*isa > 0) request.options.compile.isa = static_cast<bpf::Isa>(*isa);
  }
  request.options.compile.threads = std::max(1u, std::thread::hardware_concurrency());
  if (arguments.has("j")) {
    auto n = parse_number("-j", arguments.get("j"), 1, 1024);
    if (!n) return fail(n.error());
    request.options.compile.threads = static_cast<unsigned>(*n);
  }
  request.options.keep_dwarf = arguments.has("keep-dwarf");
  return {};
}

Result<void> read_files(const Arguments& arguments, Request& request) {
  if (arguments.inputs.empty()) return usage_error("no input is given", "`epass opt IN -o OUT`");
  if (arguments.inputs.size() > 1)
    return usage_error(format("`epass opt` takes one input, not {}", arguments.inputs.size()),
                       "run it once for each file");
  request.input = arguments.inputs[0];
  request.output = arguments.get("o");
  request.writes = arguments.has("o");
  request.offset_map = arguments.get("offset-map");
  request.remarks = arguments.get("remarks");
  request.remark_passes = arguments.all("remarks-filter");
  if (!request.remark_passes.empty() && request.remarks.empty())
    return usage_error("`--remarks-filter` needs remarks", "add `--remarks FILE`");
  for (const std::string& pass : request.remark_passes)
    if (auto known = driver::check_pass_name(all_passes(), "--remarks-filter", pass); !known)
      return fail(known.error());
  if (arguments.has("offset-map") && !request.writes)
    return usage_error("`--offset-map` needs an output", "add `-o FILE`");
  request.wants_json = arguments.has("json");
  request.asks_kernel = arguments.has("check-kernel");
  if (const std::string how = arguments.get("check-kernel"); !how.empty()) {
    const std::string words[] = {"strict"};
    if (auto word = parse_word("--check-kernel", how, words); !word) return fail(word.error());
    request.strict_kernel = true;
  }
  request.json = arguments.get("json");
  if (request.wants_json && request.json.empty() && request.output == "-")
    return usage_error("the output and the report would both go to standard output", "`--json=FILE`");
  auto input = read_format(arguments);
  if (!input) return fail(input.error());
  request.input_format = *input;
  if (arguments.has("S") && arguments.has("emit"))
    return usage_error("`-S` and `--emit` both choose the output's format");
  if (arguments.has("S")) request.options.emit = Emit::kAsm;
  if (arguments.has("emit")) {
    const std::vector<std::string> names(std::begin(driver::kEmitNames), std::end(driver::kEmitNames));
    auto emit = parse_word("--emit", arguments.get("emit"), names);
    if (!emit) return fail(emit.error());
    request.options.emit = static_cast<Emit>(*emit);
  }
  return {};
}

Result<Request> read_request(const Arguments& arguments) {
  Request request;
  for (auto read : {read_pipeline, read_compile_options, read_files})
    if (auto done = read(arguments, request); !done) return fail(done.error());
  return request;
}

// Everything that can be known to fail is asked before the work.
Result<void> check_outputs(const Request& request) {
  for (const std::string& path : {request.output, request.offset_map, request.json, request.remarks})
    if (!path.empty())
      if (auto can = driver::check_writable(path); !can) return can;
  if (request.output == "-" && request.writes)
    if (auto can = check_terminal(request.options.emit.value_or(Emit::kElf)); !can) return can;
  return {};
}

Result<driver::CompiledFile> compile(const Request& request, driver::Input input, const Ui& ui) {
  driver::FileOptions options = request.options;
  std::optional<Progress> progress;
  std::once_flag first;
  options.compile.progress = [&](const std::string& name, size_t total) {
    std::call_once(first, [&] { progress.emplace(ui, "compiling", total); });
    progress->step(name);
  };
  return driver::compile_file(std::move(input), options);
}

Bytes bytes_of(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

Result<void> write_outputs(const Request& request, const driver::CompiledFile& file, const std::string& json,
                           const std::string& remarks) {
  if (request.writes)
    if (auto done = driver::write_file(request.output, file.bytes, request.input); !done) return done;
  if (!request.offset_map.empty())
    if (auto done = driver::write_file(request.offset_map, bytes_of(driver::offset_map(file))); !done)
      return done;
  if (!request.remarks.empty())
    if (auto done = driver::write_file(request.remarks, bytes_of(remarks)); !done) return done;
  if (!request.json.empty())
    if (auto done = driver::write_file(request.json, bytes_of(json)); !done) return done;
  return {};
}

}  // namespace

int run_opt(Job& job) {
  auto request = read_request(job.arguments);
  if (!request) return job.fail(request.error());
  job.ui.stdout_is_product = request->output == "-";
  if (auto can = check_outputs(*request); !can) return job.fail(can.error());
  auto input = driver::read_input(request->input, request->input_format);
  if (!input) return job.fail(input.error());
  if (!request->options.emit && request->writes && request->output == "-")
    if (auto can = check_terminal(static_cast<Emit>(input->format)); !can) return job.fail(can.error());

  const std::string text(input->format == Format::kEpir ? input->text() : "");
  driver::Input original;
  if (request->asks_kernel) {
    if (input->format != Format::kElf || request->options.emit.value_or(Emit::kElf) != Emit::kElf)
      return job.fail(usage_error("`--check-kernel` needs an object as input and output",
                                  "`epass verify` asks about dumps and raw bytecode")
                          .error());
    original = *input;
  }
  auto file = compile(*request, std::move(*input), job.ui);
  if (!file) return job.fail_in_text(file.error(), "--passes", request->options.pipeline.text, text);
  Result<KernelReport> kernel;
  if (request->asks_kernel)
    if (kernel = check_kernel(*file, original, request->options, request->strict_kernel, job.ui); !kernel)
      return job.fail(kernel.error());

  const std::string& pipeline = request->options.pipeline.text;
  const char* level = level_pipeline(pipeline);
  const OptReport report{
      .file = *file, .level = request->level, .pipeline = level ? level : pipeline, .kernel = *kernel};
  report_kept(report, job.diagnostics);
  report_left_out(report, job.diagnostics);
  if (job.diagnostics.errors() > 0) return kNo;
  const std::string json = request->wants_json ? json_lines(report) : "";
  if (auto done = write_outputs(*request, *file, json, remark_lines(report, request->remark_passes)); !done)
    return job.fail(done.error());
  if (!file->passes.printed.empty()) job.ui.complain(file->passes.printed);
  if (request->wants_json && request->json.empty()) {
    job.ui.output(json);
  } else if (!job.ui.quiet) {
    job.ui.report(screen(report, job.ui));
    if (request->writes)
      job.ui.report(wrote_line(*file, request->output));
    else
      job.ui.report("nothing written (no -o)\n");
  }
  report_passes(report, request->options.pipeline, job.ui);
  return kDone;
}

}  // namespace epass::tool
