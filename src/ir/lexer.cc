// Splits `.epir` text. A word is a name or an opcode with its suffix; comments run from `;` to the end of the
// line.

#include "ir/lexer.h"

#include <charconv>

namespace epass {

namespace {
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == '$';
}
int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}
}  // namespace

void Lexer::advance() {
  token_ = {};
  while (at_ < text_.size() &&
         (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == ';')) {
    if (text_[at_] == ';')
      at_ = std::min(text_.find('\n', at_), text_.size());
    else
      ++at_;
  }
  token_.line = line_;
  token_.column = static_cast<int64_t>(at_ - line_begin_) + 1;
  if (at_ == text_.size()) return;
  const char c = text_[at_];
  const size_t begin = at_;
  if (c == '\n') {
    token_.kind = Token::Kind::kNewline;
    ++at_, ++line_, line_begin_ = at_;
  } else if (c >= '0' && c <= '9') {
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    token_.text = text_.substr(begin, at_ - begin);
    const bool hex = token_.text.starts_with("0x");
    const char* first = token_.text.data() + (hex ? 2 : 0);
    const char* last = token_.text.data() + token_.text.size();
    auto [stop, error] = std::from_chars(first, last, token_.number, hex ? 16 : 10);
    token_.kind = error == std::errc{} && stop == last ? Token::Kind::kNumber : Token::Kind::kBad;
  } else if (is_word(c)) {
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    token_.kind = Token::Kind::kWord;
    token_.text = text_.substr(begin, at_ - begin);
  } else if (c == '"') {
    ++at_;
    token_.kind = Token::Kind::kBad;
    while (at_ < text_.size() && text_[at_] != '\n') {
      char d = text_[at_++];
      if (d == '"') {
        token_.kind = Token::Kind::kString;
        break;
      }
      if (d == '\\' && at_ < text_.size()) {
        d = text_[at_++];
        if (d == 'x' && at_ + 1 < text_.size() && hex_digit(text_[at_]) >= 0 &&
            hex_digit(text_[at_ + 1]) >= 0) {
          d = static_cast<char>(hex_digit(text_[at_]) * 16 + hex_digit(text_[at_ + 1]));
          at_ += 2;
        }
      }
      token_.text += d;
    }
  } else {
    token_.kind = Token::Kind::kMark;
    token_.text = text_.substr(at_++, 1);
  }
}

}  // namespace epass
