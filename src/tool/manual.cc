// epass(1): the help screens, the passes and the messages on one page.

#include "tool/manual.h"

#include "base/format.h"
#include "passes/registry.h"
#include "tool/command.h"
#include "tool/messages.h"
#include "tool/version.h"

namespace epass::tool {

namespace {

// Text as roff shows it unchanged.
std::string roff(std::string_view text) {
  std::string out;
  bool line_begins = true;
  for (char c : text) {
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if (c == '`')
      out += "\\(ga";
    else if (c == '~')
      out += "\\(ti";
    else if (c == '^')
      out += "\\(ha";
    else
      out += c;
    line_begins = c == '\n';
  }
  return out;
}

std::string screen(std::string_view text) { return ".EX\n" + roff(text) + ".EE\n"; }

std::string item(std::string_view name, std::string_view text) {
  std::string out = format(".TP\n.B {}\n{}", roff(name), roff(text));
  if (!out.ends_with('\n')) out += '\n';
  return out;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

}  // namespace

std::string manual_page() {
  std::string page = format(".TH EPASS 1 \"\" \"epass {}\" \"User Commands\"\n", kVersion);
  page += ".SH NAME\nepass \\- an optimising compiler for eBPF programs\n";
  page += ".SH SYNOPSIS\n.B epass\n.I COMMAND\n[\\fIOPTIONS\\fR] \\fIIN\\fR [\\fB\\-o\\fR \\fIOUT\\fR]\n";
  page += ".SH DESCRIPTION\n" + screen(kTopHelp);
  page += ".SH COMMANDS\n";
  for (const Command& command : commands()) {
    page += format(".SS epass {}\n", command.name);
    page += screen(command.help);
  }
  for (const Topic& topic : topics()) page += format(".SH {}\n", upper(topic.name)) + screen(topic.text);
  page += ".SH PASSES\n";
  for (const PassInfo& pass : all_passes()) {
    std::string text(pass.summary);
    if (!pass.options.empty()) text += format("; options: {}", pass.options);
    if (!pass.levels.empty()) text += format(" ({})", pass.levels);
    page += item(pass.name, text);
  }
  page +=
      ".SH MESSAGES\nEach error and warning has a code, in brackets behind the word \"error\" or "
      "\"warning\".\n";
  for (const Message& message : messages())
    page += item(message.code, format("{}: {}.\n{}", message.level, message.title, message.text));
  page += ".SH SEE ALSO\n.BR bpftool (8),\n.BR llvm\\-objdump (1),\n.BR bpf (2)\n";
  return page;
}

}  // namespace epass::tool
