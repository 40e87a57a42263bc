#pragma once
// One row per `epass <command>`: its options, its help screen, what it does.

#include <span>
#include <string>
#include <string_view>

#include "tool/diagnostic.h"
#include "tool/options.h"
#include "tool/ui.h"

namespace epass::tool {

// Exit statuses: the answer is yes; the input is at fault or the answer is no; wrong usage.
enum Exit : int { kDone = 0, kNo = 1, kUsage = 2 };

// What a command works with.
struct Job {
  Ui& ui;
  Diagnostics& diagnostics;
  Arguments arguments = {};
  // Says the error and gives the exit status that belongs to it.
  int fail(const Error& error);
  // The same for an error in the value of an option, which is shown with its column marked.
  int fail_in_option(Error error, const std::string& option, const std::string& value);
  // The same for an error that may be in the option, in the text of the input, or elsewhere.
  int fail_in_text(Error error, const std::string& option, const std::string& value, std::string_view input);
  // Puts an answer of JSON lines where --json says: a file, or the screen; nowhere if it was not asked for.
  Result<void> write_json(const std::string& json);
};

struct Command {
  std::string_view name, help;
  std::span<const Option> options;
  int (*run)(Job&);
};

std::span<const Command> commands();
const Command* find_command(std::string_view name);
// --help, --quiet, --color and so on.
std::span<const Option> common_options();
std::string version_text(bool verbose, bool json);

int run_help(Job& job);
int run_passes(Job& job);
int run_opt(Job& job);
int run_print(Job& job);
int run_lift(Job& job);
int run_lower(Job& job);
int run_verify(Job& job);
int run_execute(Job& job);
int run_assemble(Job& job);
int run_disassemble(Job& job);
int run_conformance_plugin(Job& job);
int run_check(Job& job);
int run_compare(Job& job);
int run_reduce(Job& job);
int run_stats(Job& job);

extern const std::string_view kTopHelp;

}  // namespace epass::tool
