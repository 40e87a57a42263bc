// Follows llvm-objdump's choices: which symbols are labels, which of several at one place, what a jump's
// target is called, and that runs of zeros are left out.

#include "object/disassembly.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>

#include "base/format.h"
#include "bpf/disassemble.h"

namespace epass::object {

namespace {

struct Label {
  uint64_t address = 0;
  uint8_t type = STT_NOTYPE;
  std::string_view name = {};
  auto key() const { return std::tie(address, type, name); }
};

class Listing {
 public:
  Listing(Bytes bytes, std::vector<Label> labels, const DisassemblyOptions& options, std::string& out)
      : bytes_(bytes), labels_(std::move(labels)), options_(options), out_(out) {
    insns_.resize(bytes.size() / 8);
    if (!insns_.empty()) std::memcpy(static_cast<void*>(insns_.data()), bytes.data(), insns_.size() * 8);
  }

  void print(std::string_view section) {
    std::ranges::stable_sort(labels_, {}, &Label::key);
    if (labels_.empty() || labels_[0].address != 0)
      labels_.insert(labels_.begin(), Label{.type = STT_FUNC, .name = section});
    out_ += format("\nDisassembly of section {}:\n", section);
    for (size_t n = 0; n < labels_.size();) {
      const uint64_t begin = labels_[n].address;
      if (begin >= bytes_.size()) break;
      // Of several labels at one place, the last one is printed.
      while (n + 1 < labels_.size() && labels_[n + 1].address == begin) ++n;
      out_ += format("\n{:016x} <{}>:\n", begin, labels_[n].name);
      ++n;
      stretch(begin,
              n < labels_.size() ? std::min<uint64_t>(labels_[n].address, bytes_.size()) : bytes_.size());
    }
  }

 private:
  void stretch(uint64_t at, uint64_t end) {
    while (at < end) {
      if (uint64_t zeros = zeros_at(at, end)) {
        out_ += "\t\t...\n";
        at += zeros;
        continue;
      }
      at = at % 8 == 0 && at + 8 <= bytes_.size() ? insn(at) : rest(at, end);
    }
  }

  // How many zeros at `at` are left out: runs of 8 and more, and less at the very end.
  uint64_t zeros_at(uint64_t at, uint64_t end) const {
    uint64_t count = 0;
    while (at + count < end && bytes_[at + count] == 0) ++count;
    if (count >= 8) return count & ~uint64_t{3};
    return at + count == end && count < 4 ? count : 0;
  }

  uint64_t insn(uint64_t at) {
    const auto index = static_cast<uint32_t>(at / 8);
    const std::string text = bpf::disassemble_llvm(insns_, index);
    const bpf::Insn insn = insns_[index];
    const uint64_t size = bpf::is_ld_imm64(insn) && text != "<unknown>" ? 16 : 8;
    line(at, size, text + target(insn, index));
    return at + size;
  }

  uint64_t rest(uint64_t at, uint64_t end) {
    const uint64_t size = std::min<uint64_t>(end - at, 8 - at % 8);
    line(at, size, "<unknown>");
    return at + size;
  }

  void line(uint64_t at, uint64_t size, const std::string& text) {
    out_ += format("{:>8}:\t", at / 8);
    if (options_.bytes) {
      for (uint64_t n = 0; n < size; ++n)
        out_ += format("{:02x}{}", bytes_[at + n], n + 1 < size ? ' ' : '\t');
    }
    out_ += text + "\n";
  }

  // " <name+0x8>" behind a jump.
  std::string target(bpf::Insn insn, uint32_t index) const {
    if (!bpf::is_conditional_jump(insn.code) && !bpf::is_unconditional_jump(insn.code)) return "";
    const uint64_t to = static_cast<uint64_t>(bpf::jump_target(insn, index)) * 8;
    auto after = std::ranges::upper_bound(labels_, to, {}, &Label::address);
    if (after == labels_.begin()) return "";
    const Label& label = *std::prev(after);
    if (to == label.address) return format(" <{}>", label.name);
    return format(" <{}+{:#x}>", label.name, to - label.address);
  }

  Bytes bytes_;
  std::vector<Label> labels_;
  std::vector<bpf::Insn> insns_;
  const DisassemblyOptions& options_;
  std::string& out_;
};

}  // namespace

std::string disassembly(const ElfFile& elf, std::string_view name, const DisassemblyOptions& options) {
  std::string out = format("\n{}:\tfile format elf64-bpf\n", name);
  std::map<uint32_t, std::vector<Label>> labels;
  for (const ElfSymbol& s : elf.symbols)
    if (s.section != SHN_UNDEF && s.section < SHN_LORESERVE && !s.name.empty() && s.type() != STT_SECTION &&
        s.type() != STT_FILE)
      labels[s.section].push_back({.address = s.value, .type = s.type(), .name = s.name});
  for (uint32_t n = 0; n < elf.sections.size(); ++n) {
    const ElfSection& s = elf.sections[n];
    if (s.type != SHT_PROGBITS || !(s.flags & SHF_EXECINSTR) || s.data.empty()) continue;
    Listing(s.data, std::move(labels[n]), options, out).print(s.name);
  }
  return out;
}

std::string disassembly(std::span<const bpf::Insn> insns, std::span<const FlatLabel> labels,
                        std::string_view name, const DisassemblyOptions& options) {
  std::string out = format("\n{}:\tfile format bpf\n", name);
  std::vector<Label> list;
  for (const FlatLabel& label : labels)
    list.push_back({.address = uint64_t{label.insn} * 8, .type = STT_FUNC, .name = label.name});
  std::vector<uint8_t> bytes(insns.size_bytes());
  if (!bytes.empty()) std::memcpy(bytes.data(), insns.data(), bytes.size());
  Listing(bytes, std::move(list), options, out).print(".text");
  return out;
}

}  // namespace epass::object
