// `epass compare --engine kernel`: both programs by BPF_PROG_TEST_RUN, on inputs that the virtual machine
// found.

#include <algorithm>
#include <set>

#include "base/format.h"
#include "driver/compile.h"
#include "judge/inputs.h"
#include "judge/world.h"
#include "kernel/agree.h"
#include "kernel/test_run.h"
#include "tool/compare.h"
#include "tool/json.h"
#include "tool/opt_report.h"
#include "tool/source_place.h"
#include "vm/places.h"

namespace epass::tool {

namespace {

using kernel::Agreement;

constexpr std::string_view kStates[] = {"same",         "different", "lost",    "not-accepted",
                                        "not-runnable", "refused",   "unstable"};

kernel::AgreeOptions::Load loader(const driver::CodeFile& file) {
  return [&file](const kernel::VerifyOptions& given) {
    if (file.object) return kernel::verify_object(file.object->bytes(), file.name, given);
    kernel::VerifyOptions options = given;
    options.type = "socket_filter";  // bytecode with nothing to say what it is
    std::vector<bpf::Insn> all;
    for (uint32_t n = 0; n < file.program().functions.size(); ++n) {
      const std::vector<bpf::Insn>& part = file.program().functions[bpf::FunctionId{n}].insns;
      all.insert(all.end(), part.begin(), part.end());
    }
    return kernel::verify_flat(all, file.name, options);
  };
}

// The bytes that the kernel gets: of a context that is no packet, those that the seed says.
kernel::RunInput bytes_of(const vm::Input& input) {
  constexpr uint64_t kContextBytes = 256;
  const bool raw = input.context == vm::Context::kRaw;
  kernel::RunInput bytes = input.packet;
  if (raw)
    for (uint64_t n = 0; n < kContextBytes; ++n) bytes.push_back(uint8_t(vm::mix(input.seed, n)));
  const uint64_t base = raw ? vm::kContextBase : vm::kPacketBase;
  for (auto it = input.bytes.lower_bound(base); it != input.bytes.end() && it->first - base < bytes.size();
       ++it)
    bytes[it->first - base] = it->second;
  return bytes;
}

std::string input_text(const kernel::RunInput& bytes, bool is_packet) {
  return judge::describe(
             {.context = is_packet ? vm::Context::kXdp : vm::Context::kRaw, .packet = bytes, .seed = 0})
      .substr(std::string_view("seed 0, ").size());
}

std::string row_text(const Agreement& a, size_t width) {
  const std::string name = cut(printable(a.program), width);
  switch (a.state) {
    case Agreement::kSame: return format("  {}  {:>6} inputs   same\n", name, with_commas(a.inputs));
    case Agreement::kDifferent:
      return format("  {}  {:>6} inputs   DIFFERENT\n", name, with_commas(a.inputs));
    case Agreement::kLost: return format("  {}  LOST: {}\n", name, printable(a.why));
    default: return format("  {}  left out: {}\n", name, printable(a.why));
  }
}

std::string json_of(const Agreement& a, const std::string& file, const std::string& input) {
  JsonLine line = program_line(file, a.section, a.program, a.type);
  const bool compared = a.state == Agreement::kSame || a.state == Agreement::kDifferent;
  line.boolean_or_null("same", compared ? std::optional(a.state == Agreement::kSame) : std::nullopt);
  line.text_or_null("state", std::string(kStates[a.state])).number("inputs", int64_t(a.inputs));
  line.text_or_null("difference", a.why).text_or_null("input", input);
  return line.line();
}

}  // namespace

int compare_in_kernel(Job& job, const driver::CodeFile& a, const driver::CodeFile& b,
                      const judge::Settings& settings) {
  const bpf::Program& program = a.program();
  if (const std::string why = kernel::why_no_bpf(); !why.empty())
    return job.fail({.message = why, .code = "test-run", .help = "`--engine interp` needs no privileges"});
  auto selected = driver::select_functions(program, job.arguments.all("prog"), false);
  if (!selected) return job.fail(selected.error());
  std::set<std::string> names;
  for (uint32_t n = 0; n < program.functions.size(); ++n)
    if ((*selected)[n]) names.insert(program.functions[bpf::FunctionId{n}].name);
  const vm::Executable executable(program);
  const vm::Options world = judge::options_of(program, a.object.get());
  std::map<std::pair<std::string, std::string>, std::vector<kernel::RunInput>> inputs;
  kernel::AgreeOptions options{.first = loader(a), .second = loader(b)};
  if (a.object) options.wanted = [&](const std::string& name) { return names.contains(name); };
  options.harmless = !kernel::acts_on_the_machine(program) && !kernel::acts_on_the_machine(b.program());
  options.inputs = [&](const kernel::Verdict& verdict) {
    auto& own = inputs[{verdict.section, verdict.program}];
    for (uint32_t n = 0; n < program.functions.size(); ++n) {
      const bpf::Function& fn = program.functions[bpf::FunctionId{n}];
      if (a.object ? fn.section != verdict.section || fn.name != verdict.program : n > 0) continue;
      judge::Settings steered = settings;
      steered.context = judge::context_of(verdict.type);
      steered.options = world;
      for (const vm::Input& input : judge::steered_inputs({executable, bpf::FunctionId{n}}, steered))
        own.push_back(bytes_of(input));
      break;
    }
    return own;
  };
  auto agreements = kernel::agree(options);
  if (!agreements) return job.fail(agreements.error());
  std::string json;
  size_t width = 8, compared = 0, different = 0;
  for (const Agreement& x : *agreements) width = std::max(width, std::min<size_t>(x.program.size(), 32));
  for (const Agreement& x : *agreements) {
    compared += x.state == Agreement::kSame || x.state == Agreement::kDifferent;
    const bool differs = x.state == Agreement::kDifferent || x.state == Agreement::kLost;
    different += differs;
    std::string input;
    if (x.at)
      input =
          input_text(inputs[{x.section, x.program}][*x.at], judge::context_of(x.type) != vm::Context::kRaw);
    if (job.arguments.has("json"))
      json += json_of(x, a.name, input);
    else if (!job.ui.quiet)
      job.ui.report(row_text(x, width));
    if (!differs) continue;
    Diagnostic d{.error = {.message = format("`{}` behaves differently: {}", x.program, x.why),
                           .code = "behaviour-differs"}};
    d.error.where.object = b.name, d.error.where.section = x.section, d.error.where.function = x.program;
    if (x.at) d.error.notes.push_back(format("input {}: {}", *x.at, input));
    d.error.help = x.state == Agreement::kLost
                       ? "`epass verify` shows what the verifier says of it"
                       : "`epass compare --engine interp` makes the input small and traces both";
    job.diagnostics.add(d);
  }
  if (auto written = job.write_json(json); !written) return job.fail(written.error());
  if (!compared && !different) {
    Error error{.message = "the kernel can run no program of it", .code = "test-run"};
    error.where.object = a.name;
    error.help = "`--engine interp` runs programs of every type";
    return job.fail(error);
  }
  if (!job.arguments.has("json") && !job.ui.quiet)
    job.ui.report(
        format("{} of {} programs compared in this kernel, {} (seed {})\n", compared, agreements->size(),
               different ? format("{} different", different) : std::string("the same on every input"),
               settings.seed));
  return different ? kNo : kDone;
}

}  // namespace epass::tool
