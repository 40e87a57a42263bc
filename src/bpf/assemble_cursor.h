#pragma once
// One statement of assembly text as tokens, with the columns that errors need. Internal to the assembler.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace epass::bpf {

struct Token {
  enum class Kind : uint8_t { kEnd, kWord, kNumber, kString, kSymbol };
  Kind kind = Kind::kEnd;
  std::string_view text = {};  // words without a leading `%`; strings with their quotes
  uint32_t column = 1;
  uint64_t number = 0;
  bool is_hex = false;
};

// A number as it was written: its sign and its digits apart, since `0xffffffff` and `-1` are both 32 bits.
struct Number {
  uint64_t magnitude = 0;
  bool negative = false, is_hex = false;
  uint32_t column = 1;
  uint64_t bits() const { return negative ? 0 - magnitude : magnitude; }
};

struct Register {
  uint8_t number = 0;
  bool is_word = false;  // w0..w10
};

// Reads tokens from left to right. The first error stays; every reader returns false after one.
class Cursor {
 public:
  // `column` is where `text` begins in its line, counted from 1.
  Cursor(std::string_view text, int64_t line, uint32_t column);

  const Token& peek(size_t ahead = 0) const;
  Token next();
  bool at_end() const { return peek().kind == Token::Kind::kEnd; }
  bool is(std::string_view text, size_t ahead = 0) const;
  bool is_number(size_t ahead = 0) const { return peek(ahead).kind == Token::Kind::kNumber; }
  bool is_word(size_t ahead = 0) const { return peek(ahead).kind == Token::Kind::kWord; }
  bool accept(std::string_view text);
  bool expect(std::string_view text);
  bool expect_end();

  // Whether a register stands there; r0 to r10 only if `exists` is asked for.
  bool is_register(size_t ahead = 0) const;
  bool read(Register& reg);
  bool read(Number& number);
  // The number as a signed field of that many bits. `hex_pattern`: hexadecimal may use all bits, as
  // 0xffffffff for -1.
  bool read_field(int64_t& value, int bits, bool hex_pattern, std::string_view what);
  bool fit(const Number& number, int64_t& value, int bits, bool hex_pattern, std::string_view what);

  bool fail(std::string message, std::string help = "", std::string code = "asm-syntax");
  bool fail_at(uint32_t column, std::string message, std::string help = "", std::string code = "asm-syntax");
  bool failed() const { return !error_.message.empty(); }
  const Error& error() const { return error_; }
  int64_t line() const { return line_; }
  std::string_view text() const { return text_; }

 private:
  void split();
  std::string found() const;

  std::string_view text_;
  int64_t line_;
  uint32_t column_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  Error error_;
};

}  // namespace epass::bpf
