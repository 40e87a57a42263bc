#pragma once
// Errors and warnings as the user sees them: what happened, where, and what to do. Text or one JSON object a
// line.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tool/ui.h"

namespace epass::tool {

struct Diagnostic {
  enum class Level : uint8_t { kError, kWarning };
  Level level = Level::kError;
  Error error = {};
  // Source place of the instruction, from the object's BTF line records.
  std::string file = {};
  int64_t file_line = -1, file_column = -1;
  std::string source = {};     // the text of that line
  std::string insn_text = {};  // the instruction as `epass print` shows it
  int64_t kernel_insn = -1;    // where the kernel's number differs
  // For text inputs and options: the line that is at fault, the columns to mark, and what to say there.
  std::string text_line = {};
  size_t mark_from = 0, mark_size = 0;  // 0-based; size 0: no mark
  std::string label = {};
};

// Counts what was said, so that the exit status and the last line can tell. One per process.
class Diagnostics {
 public:
  Ui& ui;
  std::vector<std::string> silenced = {};  // --no-warn=CODE
  std::vector<std::string> strict = {};    // --strict=CODE; "*" for all

  explicit Diagnostics(Ui& ui_) : ui(ui_) {}

  void add(const Diagnostic& diagnostic);
  void error(const Error& error) { add({.error = error}); }
  void warning(const Error& error) { add({.level = Diagnostic::Level::kWarning, .error = error}); }

  bool is_silenced(std::string_view code) const;
  bool is_strict(std::string_view code) const;
  int errors() const { return errors_; }
  int warnings() const { return warnings_; }
  // "epass: 2 errors, 1 warning", where more than one message was given.
  void finish();

 private:
  int errors_ = 0, warnings_ = 0, hidden_ = 0;
};

// "OBJECT: SECTION: FUNCTION+INSN (FILE:LINE)" as far as known; "" if nothing is.
std::string place_text(const Diagnostic& diagnostic);

}  // namespace epass::tool
