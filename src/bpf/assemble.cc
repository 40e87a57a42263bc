// The assembler's frame: lines, labels, statements.

#include "bpf/assemble.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/format.h"
#include "bpf/assembler.h"

namespace epass::bpf {

namespace {

constexpr std::string_view kBlank = " \t\r";

std::string_view trim(std::string_view text, uint32_t& column) {
  const size_t first = std::min(text.find_first_not_of(kBlank), text.size());
  column += static_cast<uint32_t>(first);
  text.remove_prefix(first);
  return text.substr(0, text.find_last_not_of(kBlank) + 1);
}

// Where a comment begins: `//`, or `#` that does not continue a word (`call name#1`). `;` is one at the start
// of a line and behind two blanks, where listings put it; elsewhere it separates statements.
size_t comment_at(std::string_view line, bool semicolons) {
  char before = ' ', earlier = ' ';
  bool quoted = false;
  for (size_t n = 0; n < line.size(); ++n) {
    const char c = line[n];
    if (c == '"' && before != '\\') quoted = !quoted;
    const bool blank = before == ' ' || before == '\t';
    if (!quoted) {
      if (c == '#' && blank) return n;
      if (c == '/' && n + 1 < line.size() && line[n + 1] == '/') return n;
      if (c == ';' && semicolons && (n == 0 || (blank && (earlier == ' ' || before == '\t')))) return n;
    }
    earlier = before, before = c;
  }
  return line.size();
}

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == '$';
}

// The label that a statement begins with, "" for none.
std::string_view leading_label(std::string_view text) {
  size_t end = 0;
  while (end < text.size() && is_name_char(text[end])) ++end;
  return end > 0 && end < text.size() && text[end] == ':' ? text.substr(0, end) : std::string_view();
}

template <class Visit>
void each_line(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (!visit(text.substr(0, end))) return;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// Directives that have no influence on the bytes of a BPF object.
constexpr std::string_view kIgnored[] = {".file",        ".ident",       ".loc",       ".addrsig",
                                         ".addrsig_sym", ".internal",    ".protected", ".cfi_startproc",
                                         ".cfi_endproc", ".cfi_sections"};

bool is_ignored(std::string_view text) {
  return std::ranges::count(kIgnored, text.substr(0, text.find_first_of(" \t"))) > 0;
}

constexpr std::string_view kUbpfWords[] = {"add",  "sub",  "mul",  "div",  "or",   "and",  "lsh",  "rsh",
                                           "neg",  "mod",  "xor",  "mov",  "arsh", "sdiv", "smod", "le16",
                                           "le32", "le64", "be16", "be32", "be64", "lddw", "ja"};

bool is_ubpf_word(std::string_view word) {
  if (word.ends_with("32") || word.ends_with("64"))
    if (std::ranges::count(kUbpfWords, word.substr(0, word.size() - 2))) return true;
  if (std::ranges::count(kUbpfWords, word)) return true;
  for (std::string_view start : {"ldx", "ldabs", "ldind", "st", "jeq", "jne", "jgt", "jge", "jlt", "jle",
                                 "jset", "jsgt", "jsge", "jslt", "jsle", "swap", "bswap", "movsx"})
    if (word.starts_with(start) && word != "store_release") return true;
  return false;
}

}  // namespace

Dialect detect_dialect(std::string_view text) {
  Dialect dialect = Dialect::kLlvm;
  each_line(text, [&](std::string_view line) {
    line = line.substr(0, comment_at(line, false));
    uint32_t column = 1;
    line = trim(line, column);
    while (!leading_label(line).empty()) line = trim(line.substr(leading_label(line).size() + 1), column);
    if (line.empty() || line[0] == '.') return true;
    const size_t end = std::min(line.find_first_of(" \t"), line.size());
    const std::string_view word = line.substr(0, end), rest = line.substr(end);
    const bool lock = word == "lock" && rest.find('*') == rest.npos && rest.find('[') != rest.npos;
    if (lock || is_ubpf_word(word) || line.find("%r") != line.npos) {
      dialect = Dialect::kUbpf;
      return false;
    }
    return line.find('=') == line.npos;  // only assignments are LLVM's alone
  });
  return dialect;
}

Result<Assembly> assemble(std::string_view text, std::optional<Dialect> dialect) {
  return Assembler(text, dialect ? *dialect : detect_dialect(text)).run();
}

Result<Assembly> Assembler::run() {
  enter(".text");
  bool ok = true;
  each_line(text_, [&](std::string_view text) {
    ++line_;
    return ok = line(text);
  });
  if (!ok) return fail(std::move(error_));
  if (auto done = resolve(); !done) return fail(done.error());
  return std::move(out_);
}

bool Assembler::line(std::string_view text) {
  if (out_.dialect == Dialect::kUbpf) return statements(text, 1);
  ListingLine listing = read_listing_line(text);
  switch (listing.kind) {
    case ListingLine::Kind::kIgnored: return true;
    case ListingLine::Kind::kZeros: return zeros_ = true;
    case ListingLine::Kind::kPlain: return statements(text, 1);
    case ListingLine::Kind::kSection:
      enter(listing.text);
      section().is_code = true, zeros_ = false;
      return true;
    case ListingLine::Kind::kLabel:
      // Listings repeat the names of local labels; their jumps are counted in numbers.
      if (!fill_to(listing)) return false;
      labels_.try_emplace(std::string(listing.text),
                          Label{.section = current_, .offset = bytes().size(), .line = line_});
      return true;
    case ListingLine::Kind::kInsn: break;
  }
  return listed(listing);
}

// Listings leave out runs of zeros; the address of the next line tells how many.
bool Assembler::fill_to(const ListingLine& listing) {
  if (!zeros_) return true;
  zeros_ = false;
  constexpr uint64_t kMostZeros = 1 << 20;
  if (listing.address < bytes().size()) return true;
  filled_ += listing.address - bytes().size();
  if (filled_ > kMostZeros || listing.address > bytes().size() + kMostZeros) {
    error_ = {.message = "the listing leaves out too many zeros", .code = "asm-range"};
    error_.where.line = line_, error_.where.column = 1;
    return false;
  }
  bytes().resize(listing.address);
  section().lines.resize(bytes().size() / 8, static_cast<uint32_t>(line_));
  return true;
}

// An instruction of a listing. Its text is what counts; the bytes beside it tell what LLVM's text leaves out:
// which kind of call or address it is.
bool Assembler::listed(const ListingLine& listing) {
  if (!fill_to(listing)) return false;
  const uint32_t where = current_;
  const size_t begin = bytes().size();
  const std::vector<uint8_t>& shown = listing.bytes;
  if (listing.text == "<unknown>" || listing.text.empty()) {
    if (shown.size() % 8) return true;
    bytes().insert(bytes().end(), shown.begin(), shown.end());
    section().lines.resize(bytes().size() / 8, static_cast<uint32_t>(line_));
    return true;
  }
  kernel_imm64_ = listing.code == kCodeLdImm64;
  const bool ok = statements(listing.text, listing.column);
  kernel_imm64_ = false;
  if (!ok || shown.empty() || current_ != where || bytes().size() == begin) return ok;
  const size_t size = bytes().size() - begin;
  uint8_t* made = bytes().data() + begin;
  const bool named = size >= 8 && (made[0] == kCodeCall || made[0] == kCodeLdImm64);
  if (named && size == shown.size()) made[1] = static_cast<uint8_t>((made[1] & 15) | (shown[1] & 0xf0));
  const bool waits = !fixups_.empty() && fixups_.back().section == current_ && fixups_.back().offset == begin;
  if (waits || (size == shown.size() && std::equal(shown.begin(), shown.end(), made))) return true;
  error_ = {.message = "the bytes of this line and its text are different instructions",
            .code = "asm-syntax"};
  error_.where.line = line_, error_.where.column = listing.column;
  error_.help = "leave out the bytes to assemble the text";
  return false;
}

bool Assembler::statements(std::string_view text, uint32_t column) {
  const bool is_llvm = out_.dialect == Dialect::kLlvm;
  text = text.substr(0, comment_at(text, is_llvm));
  if (!is_llvm) return statement(text, column);
  bool quoted = false;
  size_t begin = 0;
  for (size_t n = 0; n <= text.size(); ++n) {
    if (n < text.size() && text[n] == '"' && (n == 0 || text[n - 1] != '\\')) quoted = !quoted;
    if (n < text.size() && (text[n] != ';' || quoted)) continue;
    if (!statement(text.substr(begin, n - begin), column + static_cast<uint32_t>(begin))) return false;
    begin = n + 1;
  }
  return true;
}

bool Assembler::statement(std::string_view text, uint32_t column) {
  text = trim(text, column);
  while (!leading_label(text).empty()) {
    const std::string_view name = leading_label(text);
    Cursor c({}, line_, column);
    if (!skipped_ && !define(c, name, column)) return false;
    column += static_cast<uint32_t>(name.size()) + 1;
    text = trim(text.substr(name.size() + 1), column);
  }
  if (text.empty() || (skipped_ && !text.starts_with(".section") && !text.starts_with(".text") &&
                       !text.starts_with(".data") && !text.starts_with(".bss")))
    return true;
  if (is_ignored(text)) return true;
  Cursor c(text, line_, column);
  const bool ok = !c.failed() && (text[0] == '.' ? directive(c) : instruction(c));
  if (!ok) error_ = c.error();
  return ok;
}

bool Assembler::define(Cursor& c, std::string_view name, uint32_t column) {
  auto [label, is_new] = labels_.try_emplace(std::string(name));
  if (!is_new) {
    c.fail_at(column, format("the label `{}` is defined twice", name),
              format("line {} defines it, too", label->second.line), "asm-name");
    error_ = c.error();
    return false;
  }
  const uint64_t offset = section().is_zero ? section().zeros : bytes().size();
  label->second = {.section = current_, .offset = offset, .line = line_};
  return true;
}

bool Assembler::instruction(Cursor& c) {
  if (section().name == ".text") section().is_code = true;
  if (!section().is_code)
    return c.fail(format("`{}` is no section for instructions", section().name),
                  "`.text`, or `.section NAME,\"ax\",@progbits`");
  if (bytes().size() % 8)
    return c.fail("instructions begin at multiples of 8 bytes", "`.p2align 3` fills the gap");
  return out_.dialect == Dialect::kLlvm ? llvm(c) : ubpf(c);
}

bool Assembler::emit(Insn insn) {
  uint8_t record[8];
  std::memcpy(record, &insn, sizeof record);
  bytes().insert(bytes().end(), record, record + sizeof record);
  section().lines.resize(bytes().size() / 8, static_cast<uint32_t>(line_));
  return true;
}

bool Assembler::emit_imm64(uint8_t dst, uint8_t src, uint64_t value) {
  emit(make_insn(kCodeLdImm64, dst, src, 0, static_cast<int32_t>(value)));
  return emit(make_insn(0, 0, 0, 0, static_cast<int32_t>(value >> 32)));
}

void Assembler::wait_for(Fixup::Kind kind, std::string_view name, const Cursor& c, uint32_t column,
                         int64_t addend) {
  fixups_.push_back({.kind = kind,
                     .section = current_,
                     .offset = bytes().size(),
                     .name = std::string(name),
                     .addend = addend,
                     .line = c.line(),
                     .column = column});
}

bool Assembler::target(Cursor& c, Insn insn) {
  const bool is_long = insn.code == kCodeGotol;
  c.accept("pc");  // `pc+3` counts like `+3`
  if (c.is_word()) {
    const Token name = c.next();
    wait_for(is_long ? Fixup::Kind::kLongJump : Fixup::Kind::kJump, name.text, c, name.column);
    return c.expect_end() && emit(insn);
  }
  Number number;
  int64_t distance = 0;
  if (!c.read(number) || !c.fit(number, distance, is_long ? 32 : 16, false, "distance of the jump"))
    return false;
  if (is_long)
    insn.imm = static_cast<int32_t>(distance);
  else
    insn.off = static_cast<int16_t>(distance);
  return c.expect_end() && emit(insn);
}

}  // namespace epass::bpf
