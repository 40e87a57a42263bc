// Splits statements into tokens and reads registers and numbers.

#include "bpf/assemble_cursor.h"

#include <charconv>

#include "base/format.h"

namespace epass::bpf {

namespace {

// Longest first.
constexpr std::string_view kSymbols[] = {
    "s>>=", "<<=", ">>=", "s/=", "s%=", "s>=", "s<=", "s>", "s<", "+=", "-=", "*=", "/=", "%=",
    "|=",   "&=",  "^=",  "==",  "!=",  "<=",  ">=",  "=",  "+",  "-",  "*",  "(",  ")",  "[",
    "]",    ",",   "<",   ">",   "&",   "#",   ":",   "@",  "|",  "!",  "^",  "~"};

bool is_word_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '$';
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

Cursor::Cursor(std::string_view text, int64_t line, uint32_t column)
    : text_(text), line_(line), column_(column) {
  split();
}

void Cursor::split() {
  size_t at = 0;
  auto column = [&](size_t offset) { return column_ + static_cast<uint32_t>(offset); };
  while (at < text_.size()) {
    const char c = text_[at];
    if (c == ' ' || c == '\t' || c == '\r') {
      ++at;
      continue;
    }
    Token token{.column = column(at)};
    const std::string_view rest = text_.substr(at);
    bool is_symbol = false;
    for (std::string_view symbol : kSymbols)
      if (rest.starts_with(symbol)) {
        token.kind = Token::Kind::kSymbol, token.text = rest.substr(0, symbol.size());
        is_symbol = true;
        break;
      }
    if (is_symbol) {
      at += token.text.size();
    } else if (is_word_start(c) || (c == '%' && rest.size() > 1 && is_word_start(rest[1]))) {
      const size_t skip = c == '%' ? 1 : 0;
      size_t end = skip;
      while (end < rest.size() && (is_word_start(rest[end]) || is_digit(rest[end]))) ++end;
      token.kind = Token::Kind::kWord, token.text = rest.substr(skip, end - skip);
      at += end;
    } else if (is_digit(c)) {
      size_t end = 0;
      while (end < rest.size() && (is_word_start(rest[end]) || is_digit(rest[end]))) ++end;
      token.kind = Token::Kind::kNumber, token.text = rest.substr(0, end);
      std::string_view digits = token.text;
      int base = 10;
      if (digits.starts_with("0x") || digits.starts_with("0X"))
        base = 16, digits.remove_prefix(2);
      else if (digits.starts_with("0b") || digits.starts_with("0B"))
        base = 2, digits.remove_prefix(2);
      token.is_hex = base != 10;
      auto [stop, code] = std::from_chars(digits.data(), digits.data() + digits.size(), token.number, base);
      if (code == std::errc::result_out_of_range)
        fail_at(token.column, format("`{}` does not fit into 64 bits", token.text), "", "asm-range");
      else if (code != std::errc() || stop != digits.data() + digits.size())
        fail_at(token.column, format("`{}` is no number", token.text),
                "numbers are decimal, or hexadecimal with `0x`");
      at += end;
    } else if (c == '"') {
      size_t end = 1;
      while (end < rest.size() && rest[end] != '"') end += rest[end] == '\\' ? 2 : 1;
      if (end >= rest.size()) {
        fail_at(token.column, "the string has no end", "a string ends with `\"` in the same line");
        end = rest.size() - 1;
      }
      token.kind = Token::Kind::kString, token.text = rest.substr(0, end + 1);
      at += end + 1;
    } else {
      const bool printable = c >= 32 && c < 127;
      fail_at(token.column, printable ? format("`{}` has no meaning here", c)
                                      : format("byte {:#04x} has no meaning here", int(uint8_t(c))));
      ++at;
    }
    if (failed()) break;
    if (token.kind != Token::Kind::kEnd) tokens_.push_back(token);
  }
  tokens_.push_back({.column = column(text_.size())});
}

const Token& Cursor::peek(size_t ahead) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }

Token Cursor::next() {
  const Token& token = peek();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool Cursor::is(std::string_view text, size_t ahead) const {
  const Token& token = peek(ahead);
  return (token.kind == Token::Kind::kWord || token.kind == Token::Kind::kSymbol) && token.text == text;
}

bool Cursor::accept(std::string_view text) {
  if (failed() || !is(text)) return false;
  next();
  return true;
}

std::string Cursor::found() const { return at_end() ? "the line ends" : format("`{}` stands", peek().text); }

bool Cursor::expect(std::string_view text) {
  if (failed()) return false;
  if (is(text)) return next(), true;
  return fail(format("expected `{}` where {}", text, found()));
}

bool Cursor::expect_end() {
  if (failed()) return false;
  return at_end() ||
         fail(format("nothing may follow here, but `{}` does", peek().text), "one instruction a line");
}

bool Cursor::is_register(size_t ahead) const {
  const Token& token = peek(ahead);
  if (token.kind != Token::Kind::kWord || token.text.size() < 2) return false;
  if (token.text[0] != 'r' && token.text[0] != 'w' && token.text[0] != 'R') return false;
  return token.text.find_first_not_of("0123456789", 1) == token.text.npos;
}

bool Cursor::read(Register& reg) {
  if (failed()) return false;
  if (!is_register()) return fail(format("expected a register where {}", found()), "registers are r0 to r10");
  const std::string_view text = peek().text;
  uint32_t number = 0;
  auto [stop, code] = std::from_chars(text.data() + 1, text.data() + text.size(), number);
  if (code != std::errc() || number > 10)
    return fail(format("there is no register `{}`", text), "registers are r0 to r10, r10 is the frame");
  next();
  reg = {.number = static_cast<uint8_t>(number), .is_word = text[0] == 'w'};
  return true;
}

bool Cursor::read(Number& number) {
  if (failed()) return false;
  const uint32_t column = peek().column;
  bool negative = false;
  if (is("-") || is("+")) negative = next().text == "-";
  if (!is_number()) return fail(format("expected a number where {}", found()));
  const Token token = next();
  number = {.magnitude = token.number, .negative = negative, .is_hex = token.is_hex, .column = column};
  return true;
}

bool Cursor::fit(const Number& number, int64_t& value, int bits, bool hex_pattern, std::string_view what) {
  const uint64_t half = uint64_t{1} << (bits - 1);
  const uint64_t most = number.negative ? half : hex_pattern && number.is_hex ? (half - 1) * 2 + 1 : half - 1;
  if (number.magnitude > most)
    return fail_at(number.column,
                   format("{}{} does not fit into the {} bits of the {}", number.negative ? "-" : "",
                          number.magnitude, bits, what),
                   bits == 32 ? "64-bit constants need `r1 = ... ll` or `lddw`" : "", "asm-range");
  const unsigned unused = 64 - static_cast<unsigned>(bits);
  value = static_cast<int64_t>(number.bits() << unused) >> unused;
  return true;
}

bool Cursor::read_field(int64_t& value, int bits, bool hex_pattern, std::string_view what) {
  Number number;
  return read(number) && fit(number, value, bits, hex_pattern, what);
}

bool Cursor::fail(std::string message, std::string help, std::string code) {
  return fail_at(peek().column, std::move(message), std::move(help), std::move(code));
}

bool Cursor::fail_at(uint32_t column, std::string message, std::string help, std::string code) {
  if (failed()) return false;
  error_ = {.message = std::move(message), .code = std::move(code)};
  error_.where.line = line_, error_.where.column = column;
  error_.help = std::move(help);
  return false;
}

}  // namespace epass::bpf
