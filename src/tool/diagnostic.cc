// Renders diagnostics.

#include "tool/diagnostic.h"

#include <algorithm>

#include "base/format.h"
#include "tool/json.h"

namespace epass::tool {

namespace {

constexpr int kMostErrors = 20;

void append_part(std::string& text, const std::string& part) {
  if (part.empty()) return;
  if (!text.empty()) text += ": ";
  text += printable(part);
}

std::optional<int64_t> known(int64_t number) { return number < 0 ? std::nullopt : std::optional(number); }

std::string as_json(const Diagnostic& d, std::string_view level) {
  const Place& at = d.error.where;
  JsonLine place;
  place.text_or_null("object", at.object)
      .text_or_null("section", at.section)
      .text_or_null("function", at.function);
  place.number_or_null("insn", known(at.insn)).number_or_null("kernel_insn", known(d.kernel_insn));
  const bool in_text = at.line >= 0;
  place.text_or_null("file", in_text ? at.object : d.file);
  place.number_or_null("line", known(in_text ? at.line : d.file_line));
  place.number_or_null("column", known(in_text ? at.column : d.file_column));
  JsonLine line;
  line.text("level", level).text("code", d.error.code).text("message", d.error.message);
  line.raw("place", place.object()).texts("notes", d.error.notes).text_or_null("help", d.error.help);
  return line.line();
}

}  // namespace

std::string place_text(const Diagnostic& d) {
  const Place& at = d.error.where;
  std::string text = printable(at.object);
  if (at.line >= 0) {
    text += format(":{}", at.line);
    if (at.column >= 0) text += format(":{}", at.column);
    if (at.insn >= 0) text += format(", instruction {}", at.insn);
    return text;
  }
  if (at.column >= 0) return text + format(": column {}", at.column);
  append_part(text, at.section);
  if (!at.function.empty()) {
    append_part(text, at.function);
    if (at.insn >= 0) text += format("+{}", at.insn);
  } else if (at.insn >= 0) {
    append_part(text, format("instruction {}", at.insn));
  }
  if (at.byte >= 0) append_part(text, format("byte {}", at.byte));
  if (!d.file.empty() && d.file_line >= 0)
    text += format(" ({}:{})", printable(d.file.substr(d.file.rfind('/') + 1)), d.file_line);
  if (d.kernel_insn >= 0 && d.kernel_insn != at.insn) text += format("; the kernel counts {}", d.kernel_insn);
  return text;
}

bool Diagnostics::is_silenced(std::string_view code) const {
  return std::ranges::find(silenced, code) != silenced.end();
}

bool Diagnostics::is_strict(std::string_view code) const {
  return std::ranges::any_of(strict, [&](const std::string& s) { return s == "*" || s == code; });
}

void Diagnostics::add(const Diagnostic& d) {
  const bool warning = d.level == Diagnostic::Level::kWarning && !is_strict(d.error.code);
  if (warning && (ui.quiet || is_silenced(d.error.code))) return;
  int& count = warning ? warnings_ : errors_;
  if (++count > kMostErrors && ui.verbose == 0 && !ui.json_diagnostics) {
    ++hidden_;
    return;
  }
  const std::string_view level = warning ? "warning" : "error";
  if (ui.json_diagnostics) return ui.complain(as_json(d, level));

  auto place = [&](std::string_view text) { return ui.paint_error(Role::kPlace, text); };
  std::string out =
      ui.paint_error(warning ? Role::kWarning : Role::kError, format("{}[{}]", level, d.error.code));
  out += ": " + printable(d.error.message) + "\n";
  if (std::string where = place_text(d); !where.empty()) out += place("  -->") + " " + where + "\n";
  const bool in_text = !d.text_line.empty();
  const std::string& source = in_text ? d.text_line : d.source;
  if (!source.empty()) {
    const int64_t number = in_text ? d.error.where.line : d.file_line;
    const std::string gutter = number >= 0 ? format("{:>3} |", number) : "    |";
    out += place(gutter) + " " + printable(source) + "\n";
    if (in_text && d.mark_size > 0)
      out += place(std::string(gutter.size() - 1, ' ') + "|") + " " + std::string(d.mark_from, ' ') +
             ui.paint_error(warning ? Role::kWarning : Role::kError, std::string(d.mark_size, '^')) +
             (d.label.empty() ? "" : " " + printable(d.label)) + "\n";
  }
  if (!d.insn_text.empty())
    out += place(" =>") + format(" {}: {}\n", d.error.where.insn, printable(d.insn_text));
  const size_t notes = ui.verbose ? d.error.notes.size() : std::min<size_t>(3, d.error.notes.size());
  for (size_t i = 0; i < notes; ++i)
    out +=
        place("  =") + " " + ui.paint_error(Role::kBold, "note") + ": " + printable(d.error.notes[i]) + "\n";
  if (!d.error.help.empty())
    out += place("  =") + " " + ui.paint_error(Role::kHelp, "help") + ": " + printable(d.error.help) + "\n";
  ui.complain(out);
}

void Diagnostics::finish() {
  if (ui.json_diagnostics) return;
  if (hidden_ > 0) ui.complain(format("and {} more (-v)\n", hidden_));
  if (errors_ + warnings_ < 2) return;
  auto count = [](int n, std::string_view word) { return format("{} {}{}", n, word, n == 1 ? "" : "s"); };
  std::string text = errors_ ? count(errors_, "error") : "";
  if (warnings_) text += (errors_ ? ", " : "") + count(warnings_, "warning");
  ui.complain("epass: " + text + "\n");
}

}  // namespace epass::tool
