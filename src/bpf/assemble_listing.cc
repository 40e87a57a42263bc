// Takes the lines of disassembly listings apart: llvm-objdump's and ours, the kernel's, and `epass print`'s.

#include <algorithm>

#include "bpf/assembler.h"

namespace epass::bpf {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }
uint8_t hex_value(char c) { return static_cast<uint8_t>(is_digit(c) ? c - '0' : c - 'a' + 10); }

class Reader {
 public:
  explicit Reader(std::string_view line) : line_(line) {}
  size_t blanks() {
    const size_t begin = at;
    while (at < line_.size() && (line_[at] == ' ' || line_[at] == '\t')) ++at;
    return at - begin;
  }
  size_t run(bool (*accepts)(char)) {
    const size_t begin = at;
    while (at < line_.size() && accepts(line_[at])) ++at;
    return at - begin;
  }
  bool accept(char c) { return at < line_.size() && line_[at] == c ? (++at, true) : false; }
  std::string_view rest() const { return line_.substr(at); }

  size_t at = 0;

 private:
  std::string_view line_;
};

// `18 01 00 00 ...`: as many pairs of digits as stand there.
std::vector<uint8_t> read_bytes(Reader& reader) {
  std::vector<uint8_t> bytes;
  while (reader.rest().size() >= 2 && is_hex(reader.rest()[0]) && is_hex(reader.rest()[1])) {
    const std::string_view pair = reader.rest();
    if (pair.size() > 2 && pair[2] != ' ' && pair[2] != '\t') break;
    bytes.push_back(static_cast<uint8_t>(hex_value(pair[0]) * 16 + hex_value(pair[1])));
    reader.at += 2;
    // The column of bytes ends with a tab, or with the second of two blanks.
    if (!reader.accept(' ')) break;
  }
  return bytes;
}

// Cuts ` <name+0x8>` behind a jump.
std::string_view without_target(std::string_view text) {
  const size_t end = text.find_last_not_of(" \t\r") + 1;
  text = text.substr(0, end);
  const size_t open = text.rfind(" <");
  return text.ends_with('>') && open != text.npos ? text.substr(0, open) : text;
}

}  // namespace

ListingLine read_listing_line(std::string_view line) {
  while (line.ends_with('\r')) line.remove_suffix(1);
  ListingLine out{.text = line};
  using Kind = ListingLine::Kind;
  constexpr std::string_view kSection = "Disassembly of section ";
  if (line.starts_with(kSection) && line.ends_with(':')) {
    out.kind = Kind::kSection, out.column = kSection.size() + 1;
    out.text = line.substr(kSection.size(), line.size() - kSection.size() - 1);
    return out;
  }
  if (line.find(":\tfile format ") != line.npos) {
    out.kind = Kind::kIgnored;
    return out;
  }
  if (line == "\t\t...") {
    out.kind = Kind::kZeros;
    return out;
  }
  // "0000000000000080 <name>:"
  if (line.size() > 19 && line.substr(16, 2) == " <" && line.ends_with(">:") &&
      std::ranges::all_of(line.substr(0, 16), is_hex)) {
    out.kind = Kind::kLabel, out.column = 19, out.text = line.substr(18, line.size() - 20);
    for (char c : line.substr(0, 16)) out.address = out.address << 4 | hex_value(c);
    return out;
  }
  Reader reader(line);
  const size_t indented = reader.blanks();
  const size_t digits = reader.run(is_digit);
  if (!digits || digits > 15) return out;
  for (char c : line.substr(reader.at - digits, digits)) out.address = out.address * 10 + hex_value(c);
  out.address *= 8;
  if (!reader.accept(':')) {
    // `epass print`: "  12   r1 = r2", perhaps with bytes.
    if (reader.blanks() < 2) return out;
    out.kind = Kind::kInsn;
    const size_t begin = reader.at;
    if (read_bytes(reader).size() < 8) reader.at = begin;
  } else {
    const size_t gap = reader.blanks();
    if (reader.accept('(')) {
      // "12: (bf) r6 = r1", the kernel's.
      const std::string_view code = reader.rest();
      if (code.size() < 3 || !is_hex(code[0]) || !is_hex(code[1]) || code[2] != ')') return out;
      out.kind = Kind::kInsn, out.code = static_cast<uint8_t>(hex_value(code[0]) * 16 + hex_value(code[1]));
      reader.at += 3;
    } else if (indented && gap) {
      const size_t begin = reader.at;
      out.bytes = read_bytes(reader);
      if (out.bytes.size() != 8 && out.bytes.size() != 16) {
        out.bytes.clear();
        reader.at = begin;
      }
      out.kind = Kind::kInsn;
    } else {
      return out;
    }
  }
  reader.blanks();
  out.column = static_cast<uint32_t>(reader.at) + 1;
  out.text = reader.rest() == "<unknown>" ? reader.rest() : without_target(reader.rest());
  return out;
}

}  // namespace epass::bpf
