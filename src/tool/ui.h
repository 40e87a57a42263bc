#pragma once
// Where the tool's words go: the two output streams with their colours and width, and what the user asked to
// hear.

#include <cstdint>
#include <string>
#include <string_view>

namespace epass::tool {

enum class Role : uint8_t { kPlain, kError, kWarning, kHelp, kPlace, kDim, kBold };
enum class ColorMode : uint8_t { kAuto, kAlways, kNever };

class Ui {
 public:
  ColorMode color = ColorMode::kAuto;
  bool quiet = false;
  int verbose = 0;
  bool json_diagnostics = false;
  // Set when the product goes to standard output: reports then go to standard error.
  bool stdout_is_product = false;

  // A report: standard output, or standard error where that carries the product.
  void report(std::string_view text);
  // The product itself, or a screen that was asked for.
  void output(std::string_view text);
  // Errors, warnings, progress.
  void complain(std::string_view text);

  // `text` in the colour of `role`, if the stream of reports (or of complaints) has colours.
  std::string paint_report(Role role, std::string_view text) const;
  std::string paint_error(Role role, std::string_view text) const;

  // Columns of the report stream's terminal; 0 where nothing may be cut.
  int width() const;
  bool progress_wanted() const;

  // False if standard output could not be written (a full disk).
  bool flush();

 private:
  bool colored(int fd) const;
};

// `text` with control characters as \xNN, so that names from files cannot steer the terminal.
std::string printable(std::string_view text);
// 12345 -> "12,345"; numbers up to `plain` have none.
std::string with_commas(uint64_t number, uint64_t plain = 9999);
// "-6.8 %", "+0.0 %" as "0.0 %"; "-" if there is nothing to compare with.
std::string percent_change(uint64_t before, uint64_t after);

}  // namespace epass::tool
