// The streams of the tool: colour rules, width, and escaping of foreign text.

#include "tool/ui.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/format.h"

namespace epass::tool {

namespace {

bool variable_is_set(const char* name) {
  const char* value = std::getenv(name);
  return value && *value;
}

void write_to(std::FILE* stream, std::string_view text) { std::fwrite(text.data(), 1, text.size(), stream); }

// The 16-colour palette only: themes decide what it looks like.
std::string_view escape_of(Role role) {
  switch (role) {
    case Role::kError: return "\x1b[1;31m";
    case Role::kWarning: return "\x1b[1;33m";
    case Role::kHelp: return "\x1b[32m";
    case Role::kPlace: return "\x1b[34m";
    case Role::kDim: return "\x1b[2m";
    case Role::kBold: return "\x1b[1m";
    case Role::kPlain: break;
  }
  return "";
}

std::string paint(bool colored, Role role, std::string_view text) {
  if (!colored || role == Role::kPlain || text.empty()) return std::string(text);
  return std::string(escape_of(role)).append(text).append("\x1b[0m");
}

}  // namespace

void Ui::output(std::string_view text) { write_to(stdout, text); }

void Ui::report(std::string_view text) { write_to(stdout_is_product ? stderr : stdout, text); }

void Ui::complain(std::string_view text) {
  // What was reported before must be seen before.
  std::fflush(stdout);
  write_to(stderr, text);
}

bool Ui::colored(int fd) const {
  if (color != ColorMode::kAuto) return color == ColorMode::kAlways;
  if (variable_is_set("NO_COLOR")) return false;
  if (variable_is_set("CLICOLOR_FORCE")) return std::string_view(std::getenv("CLICOLOR_FORCE")) != "0";
  if (variable_is_set("CLICOLOR") && std::string_view(std::getenv("CLICOLOR")) == "0") return false;
  const char* term = std::getenv("TERM");
  if (!term || std::string_view(term) == "dumb") return false;
  return isatty(fd);
}

std::string Ui::paint_report(Role role, std::string_view text) const {
  return paint(colored(stdout_is_product ? STDERR_FILENO : STDOUT_FILENO), role, text);
}

std::string Ui::paint_error(Role role, std::string_view text) const {
  return paint(colored(STDERR_FILENO), role, text);
}

int Ui::width() const {
  const int fd = stdout_is_product ? STDERR_FILENO : STDOUT_FILENO;
  if (!isatty(fd)) return 0;
  int columns = 0;
  winsize size = {};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0) columns = size.ws_col;
  if (columns <= 0 && variable_is_set("COLUMNS")) columns = std::atoi(std::getenv("COLUMNS"));
  if (columns <= 0) return 0;
  return columns < 60 ? 60 : columns;
}

bool Ui::progress_wanted() const { return !quiet && isatty(STDERR_FILENO); }

bool Ui::flush() { return std::fflush(stdout) == 0 && !std::ferror(stdout); }

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f)
      out += format("\\x{:02x}", byte);
    else
      out += c;
  }
  return out;
}

std::string with_commas(uint64_t number, uint64_t plain) {
  std::string digits = std::to_string(number);
  if (number <= plain) return digits;
  for (size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

std::string percent_change(uint64_t before, uint64_t after) {
  if (before == 0) return after == 0 ? "0.0 %" : "-";
  const double change = (static_cast<double>(after) / static_cast<double>(before) - 1) * 100;
  std::string text = format("{:+.1f} %", change);
  return text == "+0.0 %" || text == "-0.0 %" ? "0.0 %" : text;
}

}  // namespace epass::tool
