// Completion for bash. Works without the package bash-completion.

#include "base/format.h"
#include "tool/command.h"
#include "tool/manual.h"
#include "tool/messages.h"
#include "tool/pass_list.h"

namespace epass::tool {

namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::string dashed(const Option& option) {
  return (option.name.size() == 1 ? "-" : "--") + std::string(option.name);
}

// What completes the option's value, as shell code.
std::string value_action(const Option& option) {
  if (option.takes == "FILE") return "files=1";
  if (option.takes == "PASS") return "words=$passes";
  if (option.takes == "CODE") return "words=$codes";
  return format("words='{}'", option.takes);
}

std::vector<std::string> help_topics() {
  std::vector<std::string> names{"messages", "man", "bash-completion"};
  for (const Command& command : commands()) names.emplace_back(command.name);
  for (const Topic& topic : topics()) names.emplace_back(topic.name);
  for (const std::string& pass : pass_names()) names.push_back(pass);
  for (const Message& message : messages()) names.emplace_back(message.code);
  return names;
}

constexpr std::string_view kHead = R"(_epass() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
  local attached= words= files= options=
  # Bash makes `=` a word of its own.
  if [ "$cur" = = ]; then
    cur= attached='='
  elif [ "$prev" = = ]; then
    prev=${COMP_WORDS[COMP_CWORD-2]} attached='='
  fi
  COMPREPLY=()
)";

constexpr std::string_view kTail = R"(  if [ -z "$files" ]; then
    # Lists of passes are completed behind their last comma.
    local before=${cur%"${cur##*,}"}
    COMPREPLY=($(compgen -P "$before" -W "$words" -- "${cur##*,}"))
  else
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$cur"))
  fi
}
complete -F _epass epass
)";

// The case of one command: its options, and those of them that take a value.
std::string command_case(const Command& command) {
  std::string options, values;
  for (std::span<const Option> table : {command.options, common_options()}) {
    for (const Option& option : table) {
      const std::string name = dashed(option);
      if (name == "-O")
        options += " -O0 -O1 -O2 -O3 -Os";
      else
        options += " " + name;
      if (option.value == Option::Value::kNone) continue;
      // An attached value is one only behind `=`.
      const char* mark = option.value == Option::Value::kAttached ? "=" : "*";
      values += format("        {}:{}) {} ;;\n", name, mark, value_action(option));
    }
  }
  const bool takes_topics = command.name == "help", takes_nothing = command.name == "passes";
  std::string text = format("    {})\n      options='{}'\n", command.name, options.substr(1));
  text += "      case $prev:$attached in\n" + values;
  text += "        *) case $cur in\n          -*) words=$options ;;\n";
  text += takes_topics ? format("          *) words='{}' ;;\n", joined(help_topics()))
                       : format("          *) {} ;;\n", takes_nothing ? ":" : "files=1");
  return text + "        esac ;;\n      esac ;;\n";
}

}  // namespace

std::string bash_completion() {
  std::vector<std::string> names, codes;
  for (const Command& command : commands()) names.emplace_back(command.name);
  for (const Message& message : messages()) codes.emplace_back(message.code);
  std::string text = "# Completion of epass for bash, made by `epass help bash-completion`.\n";
  text += kHead;
  text += format("  local passes='O0 O1 O2 O3 Os {} fixpoint(' codes='{}'\n", joined(pass_names()),
                 joined(codes));
  text += "  [ \"$COMP_CWORD\" -gt 1 ] || command=\n  case $command in\n";
  text += format("    '') words='{} --help --version' ;;\n", joined(names));
  for (const Command& command : commands()) text += command_case(command);
  text += "  esac\n";
  text += kTail;
  return text;
}

}  // namespace epass::tool
