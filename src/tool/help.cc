// `epass help TOPIC` and `epass --version`.

#include <bpf/libbpf.h>
#include <elfutils/version.h>

#include "base/format.h"
#include "kernel/load.h"
#include "tool/command.h"
#include "tool/json.h"
#include "tool/manual.h"
#include "tool/messages.h"
#include "tool/pass_list.h"
#include "tool/suggest.h"
#include "tool/version.h"

namespace epass::tool {

namespace {

constexpr Topic kTopics[] = {
    {"formats", R"(Inputs are told apart by their content; --input FORMAT overrides.
  elf    a relocatable little-endian ELF object, as clang -target bpf makes it
  dump   one instruction per line: its 8 bytes as a little-endian number, in decimal
  raw    8-byte records
  epir   the compiler's own text form of programs in SSA form (first word: epir)
Assembly text is read by `epass asm` alone (docs/assembler.md).
Outputs (--emit) have the format of the input, or
  asm    the disassembly of `epass print`
--offset-map FILE writes a line FUNCTION NEW OLD for every record of the output, counted from the
start of its function; OLD is - for one that comes from no instruction of the input.
Sizes are counted in 8-byte records everywhere; ld_imm64 is two.
)"},
    {"isa", R"(Instruction sets, numbered as LLVM's -mcpu numbers them:
  v1   the first kernels
  v2   adds unsigned and signed less-than jumps                          Linux 4.14
  v3   adds 32-bit jumps and full use of 32-bit arithmetic, atomics      Linux 5.1, atomics 5.12
  v4   adds sign-extending loads and moves, signed division, byte swap,
       the long jump, load-acquire and store-release                     Linux 6.6 and later
--isa auto takes v3, or v4 if the input already uses it. An older level rewrites what it lacks.
)"},
    {"json", R"(--json[=FILE] writes one object per line; docs/json.md has every field.
Always: schema, object, section, program, type. Unknown is null.
  opt      kind, insns_in, insns_out, x86_bytes_in, x86_bytes_out, verifier_insns_in, verifier_insns_out, kept
  verify   accepted, errno, reason, insns, insn_processed, total_states, verification_time_us,
           nr_line_info, nr_func_info, xlated_bytes, jited_bytes, stack_depth
  run      result, insns_executed, error
  check    ok, insns, faults: code, insn, message, certain, file, line
Fields are added, never renamed, within a schema. --diagnostics=json writes errors and warnings to
standard error as one object per line.
)"},
};

std::string message_list() {
  std::string text;
  for (const Message& m : messages()) text += format("  {:<20} {:<8} {}\n", m.code, m.level, m.title);
  return text;
}

}  // namespace

std::span<const Topic> topics() { return kTopics; }

std::string version_text(bool verbose, bool json) {
  const std::string why = verbose || json ? kernel::why_no_bpf() : "";
  if (json) {
    JsonLine line;
    line.number("schema", 1).text("version", kVersion).text("commit", kCommit).text("compiler", __VERSION__);
    line.text("libbpf", libbpf_version_string())
        .number("libelf", _ELFUTILS_VERSION)
        .text("highest_isa", "v4");
    line.text("kernel", kernel::release()).text_or_null("kernel_refuses", why);
    return line.line();
  }
  std::string text = format("epass {} ({})\n", kVersion, kCommit);
  if (!verbose) return text;
  text += format("  compiler      {}\n  libbpf        {}\n  libelf        0.{}\n  highest ISA   v4\n",
                 __VERSION__, libbpf_version_string(), _ELFUTILS_VERSION);
  text += format("  this kernel   {}, {}\n", kernel::release(),
                 why.empty() ? "can be asked" : "cannot be asked: " + why);
  return text;
}

int run_help(Job& job) {
  if (job.arguments.inputs.empty()) {
    job.ui.output(kTopHelp);
    return kDone;
  }
  if (job.arguments.inputs.size() > 1) return job.fail(usage_error("`epass help` takes one topic").error());
  const std::string& word = job.arguments.inputs[0];
  if (const Command* command = find_command(word)) {
    job.ui.output(command->help);
    return kDone;
  }
  for (const Topic& topic : kTopics) {
    if (topic.name != word) continue;
    job.ui.output(topic.text);
    return kDone;
  }
  if (word == "messages") {
    job.ui.output(message_list());
    return kDone;
  }
  if (word == "man" || word == "bash-completion") {
    job.ui.output(word == "man" ? manual_page() : bash_completion());
    return kDone;
  }
  if (const Message* message = find_message(word)) {
    job.ui.output(format("{}[{}]: {}\n\n{}", message->level, message->code, message->title, message->text));
    return kDone;
  }
  if (std::string text = help_on_pass(word); !text.empty()) {
    job.ui.output(text);
    return kDone;
  }
  std::vector<std::string> names{"messages", "man", "bash-completion"};
  for (const Command& command : commands()) names.emplace_back(command.name);
  for (const Topic& topic : kTopics) names.emplace_back(topic.name);
  for (const Message& message : messages()) names.emplace_back(message.code);
  for (const std::string& pass : pass_names()) names.push_back(pass);
  const std::string meant = closest(word, names);
  return job.fail(
      usage_error(format("there is no help on `{}`", word),
                  meant.empty() ? "`epass help help` lists the topics" : format("did you mean `{}`?", meant))
          .error());
}

}  // namespace epass::tool
