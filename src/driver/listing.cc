// Makes the listing of `epass print`.

#include "driver/listing.h"

#include <algorithm>

#include "base/format.h"
#include "bpf/disassemble.h"

namespace epass::driver {

namespace {

constexpr size_t kCommentColumn = 49;

// Blocks of straight-line code as a reader sees them: every jump target and everything behind a jump starts
// one.
struct Labels {
  std::vector<int32_t> block;               // number of the block that starts at this record, or -1
  std::vector<std::vector<uint32_t>> from;  // by block: the jumps to it

  explicit Labels(const bpf::Function& fn) : block(fn.insns.size(), -1) {
    const auto size = static_cast<uint32_t>(fn.insns.size());
    std::vector<bool> starts(size + 1, false);
    std::vector<std::pair<uint32_t, uint32_t>> jumps;
    if (size) starts[0] = true;
    for (uint32_t i = 0; i < size; i += bpf::records(fn.insns[i])) {
      const bpf::Insn insn = fn.insns[i];
      const bool ends = insn.code == bpf::kCodeExit || insn.code == bpf::kCodeGotox;
      const bool jumps_away = bpf::is_unconditional_jump(insn.code);
      if (!ends && !jumps_away && !bpf::is_conditional_jump(insn.code)) continue;
      starts[i + 1] = true;
      if (ends) continue;
      const int64_t target = bpf::jump_target(insn, i);
      if (target < 0 || target >= size) continue;
      starts[static_cast<size_t>(target)] = true;
      jumps.emplace_back(static_cast<uint32_t>(target), i);
    }
    for (uint32_t i = 0; i < size; ++i)
      if (starts[i]) block[i] = static_cast<int32_t>(from.size()), from.emplace_back();
    // A block with a label is also entered from above, if what stands there goes on.
    std::vector<bool> is_target(size, false);
    for (auto [target, source] : jumps) is_target[target] = true;
    for (uint32_t i = 0, next = 0; i < size; i = next) {
      next = i + bpf::records(fn.insns[i]);
      const uint8_t code = fn.insns[i].code;
      if (next < size && is_target[next] && code != bpf::kCodeExit && code != bpf::kCodeGotox &&
          !bpf::is_unconditional_jump(code))
        jumps.emplace_back(next, i);
    }
    std::ranges::sort(jumps);
    for (auto [target, source] : jumps) from[static_cast<size_t>(block[target])].push_back(source);
  }
};

std::string base_name(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

class Listing {
 public:
  Listing(const CodeFile& file, bpf::FunctionId id, const ListingOptions& options)
      : file_(file), id_(id), fn_(file.program().functions[id]), options_(options), labels_(fn_) {}

  std::string text() {
    heading();
    std::vector<object::SourceLine> lines;
    if (file_.object && options_.source) lines = file_.object->source_lines(id_);
    size_t line = 0, attachment = 0, core = 0;
    for (uint32_t i = 0; i < fn_.insns.size(); i += bpf::records(fn_.insns[i])) {
      label(i);
      while (line < lines.size() && lines[line].insn < i) ++line;
      for (; line < lines.size() && lines[line].insn == i; ++line) source_line(lines[line]);
      while (attachment < fn_.attachments.size() && fn_.attachments[attachment].insn < i) ++attachment;
      while (core < fn_.core.size() && fn_.core[core].insn < i) ++core;
      const bool has_symbol = attachment < fn_.attachments.size() && fn_.attachments[attachment].insn == i;
      const bpf::Symbol* symbol =
          has_symbol ? &file_.program().symbols[fn_.attachments[attachment].symbol] : nullptr;
      std::string text = format("{:>4}   ", i);
      if (options_.raw) text += bytes_of(i) + "  ";
      text += bpf::disassemble(fn_.insns, i, symbol, target_label(i));
      if (core < fn_.core.size() && fn_.core[core].insn == i && file_.object)
        comment(text, "CO-RE " + file_.object->core_text(fn_.core[core].id));
      out_ += text + "\n";
    }
    return std::move(out_);
  }

 private:
  void heading() {
    out_ = file_.name + ": ";
    if (!fn_.section.empty()) out_ += fn_.section + ": ";
    out_ += fn_.name;
    if (!fn_.type.empty()) out_ += ", " + fn_.type;
    if (!fn_.is_entry) out_ += fn_.is_callback ? ", callback" : ", subprogram";
    out_ += format(", {} insns, ISA v{}\n", fn_.insns.size(), int(bpf::isa_of(fn_.insns)));
  }

  // What the jump at `i` calls its target; "" if it is none, or leads out of the function.
  std::string target_label(uint32_t i) const {
    const bpf::Insn insn = fn_.insns[i];
    if (!bpf::is_conditional_jump(insn.code) && !bpf::is_unconditional_jump(insn.code)) return "";
    const int64_t target = bpf::jump_target(insn, i);
    if (target < 0 || target >= static_cast<int64_t>(labels_.block.size())) return "";
    const int32_t block = labels_.block[static_cast<size_t>(target)];
    return block < 0 ? "" : format("b{}", block);
  }

  static void comment(std::string& text, const std::string& words) {
    if (text.size() < kCommentColumn) text.resize(kCommentColumn, ' ');
    text += "; " + words;
  }

  void label(uint32_t i) {
    const int32_t block = labels_.block[i];
    if (block < 0 || (block == 0 && labels_.from[0].empty())) return;
    std::string text = format("b{}:", block);
    const std::vector<uint32_t>& from = labels_.from[static_cast<size_t>(block)];
    if (!from.empty()) {
      std::string list = "from ";
      for (size_t n = 0; n < from.size(); ++n) {
        if (n == 8) {
          list += format(" and {} more", from.size() - n);
          break;
        }
        list += format("{}{}", n ? ", " : "", from[n]);
      }
      comment(text, list);
    }
    out_ += text + "\n";
  }

  void source_line(const object::SourceLine& line) {
    // Line 0 is what the compiler made up.
    if (line.line == 0 || (line.line == line_ && line.file == line_file_)) return;
    std::string text(line.text);
    text.erase(0, std::min(text.find_first_not_of(" \t"), text.size()));
    const std::string place = line.file == line_file_ ? "" : base_name(line.file);
    out_ += format("; {}:{}   {}\n", place, line.line, text);
    line_ = line.line, line_file_ = line.file;
  }

  std::string bytes_of(uint32_t i) const {
    std::string text;
    for (uint32_t n = 0; n < bpf::records(fn_.insns[i]) && i + n < fn_.insns.size(); ++n) {
      uint8_t bytes[8];
      std::memcpy(bytes, &fn_.insns[i + n], 8);
      for (uint8_t byte : bytes) text += format("{:02x} ", byte);
    }
    text.resize(48, ' ');
    return text;
  }

  const CodeFile& file_;
  bpf::FunctionId id_;
  const bpf::Function& fn_;
  ListingOptions options_;
  Labels labels_;
  uint32_t line_ = UINT32_MAX;
  std::string_view line_file_ = {};
  std::string out_;
};

}  // namespace

std::string listing(const CodeFile& file, bpf::FunctionId id, const ListingOptions& options) {
  return Listing(file, id, options).text();
}

std::string insn_text(const CodeFile& file, bpf::FunctionId id, uint32_t insn) {
  const bpf::Function& fn = file.program().functions[id];
  if (insn >= fn.insns.size()) return "";
  auto found = std::ranges::find(fn.attachments, insn, &bpf::Attachment::insn);
  const bpf::Symbol* symbol =
      found == fn.attachments.end() ? nullptr : &file.program().symbols[found->symbol];
  const uint8_t code = fn.insns[insn].code;
  const bool jumps = bpf::is_conditional_jump(code) || bpf::is_unconditional_jump(code);
  return bpf::disassemble(fn.insns, insn, symbol,
                          jumps ? std::to_string(bpf::jump_target(fn.insns[insn], insn)) : "");
}

std::string listing(const CodeFile& file, const ListingOptions& options) {
  std::string text;
  for (uint32_t i = 0; i < file.program().functions.size(); ++i)
    text += (i ? "\n" : "") + listing(file, bpf::FunctionId{i}, options);
  return text;
}

}  // namespace epass::driver
