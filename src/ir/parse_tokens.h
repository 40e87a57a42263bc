#pragma once
// What the parsers of `.epir` text share: reading words and numbers, and saying what was expected.

#include <map>
#include <optional>

#include "base/format.h"
#include "base/result.h"
#include "ir/function.h"
#include "ir/lexer.h"

namespace epass {

using SymbolIds = std::map<std::string, bpf::SymbolId, std::less<>>;

using Kind = Token::Kind;

// `v12` -> 12.
inline std::optional<uint32_t> numbered(std::string_view word, char letter) {
  if (word.size() < 2 || word.size() > 9 || word[0] != letter) return std::nullopt;
  uint32_t number = 0;
  for (char c : word.substr(1)) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<uint32_t>(c - '0');
  }
  return number;
}

class ParserTokens {
 protected:
  explicit ParserTokens(Lexer& lexer) : lexer_(lexer) {}
  std::unexpected<Error> bad(const Token& token, std::string message, std::string code = "epir-syntax") {
    return fail(std::move(code), std::move(message), {.line = token.line, .column = token.column});
  }
  std::unexpected<Error> expected(std::string_view what) {
    const Token& token = lexer_.peek();
    const std::string found = token.kind == Token::Kind::kNewline ? "the end of the line"
                              : token.kind == Token::Kind::kEnd   ? "the end of the text"
                                                                  : "`" + token.text + "`";
    return bad(token, format("{} is expected here, not {}", what, found));
  }
  void skip_newlines() {
    while (lexer_.peek().kind == Token::Kind::kNewline) lexer_.take();
  }
  bool accept(std::string_view mark) {
    if (!lexer_.peek().is(mark)) return false;
    lexer_.take();
    return true;
  }
  Result<void> expect(std::string_view mark) {
    if (accept(mark)) return {};
    return expected(format("`{}`", mark));
  }
  Result<void> end_of_line() {
    if (lexer_.peek().kind == Token::Kind::kEnd) return {};
    if (lexer_.peek().kind != Token::Kind::kNewline) return expected("the end of the line");
    lexer_.take();
    return {};
  }
  // -5, 12, 0xffffffffffffffff.
  Result<int64_t> number(int64_t least, int64_t most, std::string_view what) {
    const bool negative = accept("-");
    if (lexer_.peek().kind != Token::Kind::kNumber) return expected(what);
    const Token token = lexer_.take();
    const auto value = static_cast<int64_t>(negative ? 0 - token.number : token.number);
    if (value < least || value > most)
      return bad(token, format("{} lies between {} and {}", what, least, most));
    return value;
  }
  Result<int64_t> any_number() { return number(INT64_MIN, INT64_MAX, "a number"); }
  // `+4`, `-8`.
  Result<int64_t> offset() {
    if (lexer_.peek().is("-")) return any_number();
    if (auto plus = expect("+"); !plus) return fail(plus.error());
    return any_number();
  }
  Result<std::string> name() {
    if (lexer_.peek().kind != Token::Kind::kWord && lexer_.peek().kind != Token::Kind::kString)
      return expected("a name");
    return lexer_.take().text;
  }
  // `word(NUMBER)`, if it stands here.
  Result<std::optional<int64_t>> attribute(std::string_view word, int64_t most) {
    if (!accept(word)) return std::optional<int64_t>();
    if (auto open = expect("("); !open) return fail(open.error());
    auto value = number(most == INT64_MAX ? INT64_MIN : INT16_MIN, most, format("`{}`", word));
    if (!value) return fail(value.error());
    if (auto close = expect(")"); !close) return fail(close.error());
    return std::optional(*value);
  }
  // `r6` or `fp-16`.
  Result<Home> home() {
    const Token token = lexer_.peek();
    if (token.kind == Token::Kind::kWord) {
      if (auto reg = numbered(token.text, 'r'); reg && *reg <= 10) {
        lexer_.take();
        return Home::reg(static_cast<int>(*reg));
      }
      if (accept("fp")) {
        auto place = number(-bpf::kStackSize, -8, "a stack slot");
        if (!place) return fail(place.error());
        if (*place % 8) return bad(token, "home slots are multiples of 8");
        return Home::stack(static_cast<int>(*place));
      }
    }
    return expected("a register or a stack slot");
  }

  Lexer& lexer_;
};

// The blocks of a function whose head and slots have been read, up to its `}`.
Result<void> parse_body(Lexer& lexer, const SymbolIds& symbols, Function& fn);

}  // namespace epass
