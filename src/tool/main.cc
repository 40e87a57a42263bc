// Entry of the `epass` program: finds the command, parses its options, runs it, and turns the outcome into an
// exit status.

#include <algorithm>
#include <cstdio>

#include "base/format.h"
#include "base/memory.h"
#include "driver/files.h"
#include "tool/command.h"
#include "tool/suggest.h"

namespace epass::tool {

int Job::fail(const Error& error) {
  diagnostics.error(error);
  const bool usage = error.code == "usage" || error.code == "unknown-pass" || error.code == "pass-option" ||
                     error.code == "pipeline";
  return usage ? kUsage : kNo;
}

Result<void> Job::write_json(const std::string& json) {
  if (!arguments.has("json")) return {};
  const std::string path = arguments.get("json");
  if (!path.empty())
    return driver::write_file(path, {reinterpret_cast<const uint8_t*>(json.data()), json.size()});
  ui.output(json);
  return {};
}

int Job::fail_in_option(Error error, const std::string& option, const std::string& value) {
  if (error.where.column < 1) return fail(error);
  error.where.object = option;
  Diagnostic diagnostic{.error = error, .text_line = value};
  diagnostic.mark_from = static_cast<size_t>(error.where.column) - 1;
  const size_t end = std::min(value.find_first_of(",()=", diagnostic.mark_from), value.size());
  diagnostic.mark_size = std::max<size_t>(1, end - std::min(end, diagnostic.mark_from));
  // A short suggestion stands at the mark itself.
  if (error.help.starts_with("did you mean")) diagnostic.label.swap(diagnostic.error.help);
  diagnostics.add(diagnostic);
  return kUsage;
}

int Job::fail_in_text(Error error, const std::string& option, const std::string& value,
                      std::string_view input) {
  if (error.where.object.empty()) return fail_in_option(std::move(error), option, value);
  if (error.where.line < 1) return fail(error);
  for (int64_t line = 1; line < error.where.line; ++line)
    input.remove_prefix(std::min(input.find('\n'), input.size() - 1) + 1);
  Diagnostic diagnostic{.error = error, .text_line = std::string(input.substr(0, input.find('\n')))};
  std::ranges::replace(diagnostic.text_line, '\t', ' ');  // one column each
  if (error.where.column >= 1 && static_cast<size_t>(error.where.column) <= diagnostic.text_line.size() + 1) {
    diagnostic.mark_from = static_cast<size_t>(error.where.column) - 1;
    const size_t end = diagnostic.text_line.find_first_of(" ,()=:@+", diagnostic.mark_from);
    diagnostic.mark_size =
        std::max<size_t>(1, std::min(end, diagnostic.text_line.size()) - diagnostic.mark_from);
  }
  diagnostics.add(diagnostic);
  return kNo;
}

namespace {

Result<void> apply_common_options(const Arguments& arguments, Ui& ui, Diagnostics& diagnostics) {
  ui.quiet = arguments.has("quiet");
  ui.verbose = arguments.count("verbose");
  if (arguments.has("color")) {
    const std::string modes[] = {"auto", "always", "never"};
    auto mode = parse_word("--color", arguments.get("color"), modes);
    if (!mode) return fail(mode.error());
    ui.color = static_cast<ColorMode>(*mode);
  }
  if (arguments.has("diagnostics")) {
    const std::string kinds[] = {"text", "json"};
    auto kind = parse_word("--diagnostics", arguments.get("diagnostics"), kinds);
    if (!kind) return fail(kind.error());
    ui.json_diagnostics = *kind == 1;
  }
  diagnostics.silenced = arguments.all("no-warn");
  for (const Arguments::Given& given : arguments.given)
    if (given.name == "strict") diagnostics.strict.push_back(given.has_value ? given.value : "*");
  return {};
}

Error unknown_command(const std::string& word) {
  std::vector<std::string> names;
  for (const Command& command : commands()) names.emplace_back(command.name);
  const std::string meant = closest(word, names);
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : " ") + name;
  Error error{.message = format("`{}` is no command of epass", word), .code = "usage"};
  if (meant.empty()) {
    error.notes.push_back("the commands are: " + list);
    error.help = "`epass --help` tells what they do";
  } else {
    error.help = format("a command with a similar name exists: `epass {}`", meant);
  }
  return error;
}

// Options that stand without a command.
constexpr Option kTopOptions[] = {{.name = "json"}};

int run_words(const std::vector<std::string>& words, Ui& ui, Diagnostics& diagnostics) {
  if (words.empty()) {
    ui.complain(kTopHelp);
    return kUsage;
  }
  Job job{.ui = ui, .diagnostics = diagnostics};
  const bool top_level = words[0].starts_with('-');
  const Command* command = top_level ? nullptr : find_command(words[0]);
  if (!top_level && !command) return job.fail(unknown_command(words[0]));

  auto arguments = parse_arguments(std::span(words).subspan(top_level ? 0 : 1),
                                   top_level ? std::span<const Option>(kTopOptions) : command->options,
                                   common_options(), top_level ? "" : command->name);
  if (!arguments && top_level)
    return job.fail(usage_error(format("`{}` before a command: options stand behind it", words[0]),
                                "`epass --help` lists the commands")
                        .error());
  if (!arguments) return job.fail(arguments.error());
  job.arguments = std::move(*arguments);
  if (auto applied = apply_common_options(job.arguments, ui, diagnostics); !applied)
    return job.fail(applied.error());
  if (job.arguments.has("version")) {
    ui.output(version_text(ui.verbose > 0, job.arguments.has("json")));
    return kDone;
  }
  if (job.arguments.has("help")) {
    ui.output(command ? command->help : kTopHelp);
    return kDone;
  }
  if (top_level) {
    if (job.arguments.inputs.empty()) {
      ui.complain(kTopHelp);
      return kUsage;
    }
    command = find_command(job.arguments.inputs[0]);
    if (!command) return job.fail(unknown_command(job.arguments.inputs[0]));
    return job.fail(usage_error("options stand behind the command",
                                format("`epass {} {}`", job.arguments.inputs[0], words[0]))
                        .error());
  }
  return command->run(job);
}

}  // namespace

}  // namespace epass::tool

int main(int argc, char** argv) {
  using namespace epass::tool;
  epass::keep_freed_memory();
  epass::driver::remove_temporary_on_signal();
  Ui ui;
  Diagnostics diagnostics(ui);
  int status = run_words(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc), ui, diagnostics);
  diagnostics.finish();
  if (!ui.flush() && status == kDone) {
    diagnostics.error({.message = "cannot write to standard output", .code = "output"});
    status = kNo;
  }
  return status;
}
