#pragma once
// Words of the `.epir` text, with their places.

#include <cstdint>
#include <string>
#include <string_view>

namespace epass {

struct Token {
  enum class Kind : uint8_t { kEnd, kNewline, kWord, kNumber, kString, kMark, kBad };
  Kind kind = Kind::kEnd;
  std::string text = {};  // strings without their quotes and escapes
  uint64_t number = 0;
  int64_t line = 1, column = 1;

  bool is(std::string_view mark) const {
    return (kind == Kind::kMark || kind == Kind::kWord) && text == mark;
  }
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) { advance(); }
  const Token& peek() const { return token_; }
  Token take() {
    Token token = std::move(token_);
    advance();
    return token;
  }

 private:
  void advance();
  std::string_view text_;
  size_t at_ = 0, line_begin_ = 0;
  int64_t line_ = 1;
  Token token_;
};

}  // namespace epass
