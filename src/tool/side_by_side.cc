// `epass print --ir --side-by-side`.

#include "tool/side_by_side.h"

#include <algorithm>
#include <charconv>

#include "base/format.h"
#include "driver/listing.h"
#include "ir/text.h"

namespace epass::tool {

namespace {

struct IrLine {
  std::string text = {};
  uint32_t origin = kNoOrigin;
};

// The lines of `.epir` text with their origins, which end them as ` @12` or ` @12:r6`, taken off.
std::vector<IrLine> lines_of(std::string_view text) {
  std::vector<IrLine> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    IrLine line{.text = std::string(text.substr(0, end))};
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t at = line.text.rfind(" @");
    if (at != std::string::npos) {
      const char* number = line.text.data() + at + 2;
      if (std::from_chars(number, line.text.data() + line.text.size(), line.origin).ec == std::errc{})
        line.text.erase(line.text.find_last_not_of(' ', at) + 1);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

class Columns {
 public:
  Columns(const driver::CompiledFile& file, bpf::FunctionId id) : fn_(file.program().functions[id]) {
    for (uint32_t i = 0; i < fn_.insns.size(); i += bpf::records(fn_.insns[i])) {
      left_.push_back({format("{:>4}   {}", i, driver::insn_text(file.code, id, i)), i});
      width_ = std::max(width_, left_.back().text.size());
    }
    width_ = std::min<size_t>(width_, 60);
  }

  std::string text(const std::vector<IrLine>& right) {
    for (const IrLine& line : right) {
      const bool is_new =
          line.origin != kNoOrigin && next_ < left_.size() && left_[next_].origin <= line.origin;
      // Code that became nothing, such as what is never reached.
      while (is_new && next_ < left_.size() && left_[next_].origin < line.origin)
        row(left_[next_++].text, "");
      const bool begins = is_new && next_ < left_.size() && left_[next_].origin == line.origin;
      row(begins ? left_[next_].text : "", line.text);
      next_ += begins;
    }
    while (next_ < left_.size()) row(left_[next_++].text, "");
    return std::move(out_);
  }

 private:
  void row(const std::string& left, const std::string& right) {
    std::string line = format("{:<{}}  |", left, width_);
    if (!right.empty()) line += " " + right;
    out_ += line + "\n";
  }

  const bpf::Function& fn_;
  std::vector<IrLine> left_;
  size_t width_ = 20, next_ = 0;
  std::string out_;
};

}  // namespace

std::string side_by_side(const driver::CompiledFile& file) {
  std::string text;
  for (const driver::FunctionOutcome& out : file.compiled.functions) {
    if (!out.selected || !out.ir) continue;
    const bpf::Function& fn = file.program().functions[out.id];
    text += format("{}{}: {}{}{}, {} insns\n", text.empty() ? "" : "\n", file.code.name, fn.section,
                   fn.section.empty() ? "" : ": ", fn.name, fn.insns.size());
    text += Columns(file, out.id).text(lines_of(print(*out.ir, file.program().symbols)));
  }
  return text;
}

}  // namespace epass::tool
