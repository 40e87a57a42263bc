// Reads the `.epir` text: symbols, and the heads of functions. parse_body.cc reads blocks and instructions.

#include "ir/parse_tokens.h"
#include "ir/text.h"

namespace epass {

namespace {

using Kind = Token::Kind;

class ModuleParser : ParserTokens {
 public:
  explicit ModuleParser(Lexer& lexer) : ParserTokens(lexer) {}

  Result<Module> run() {
    skip_newlines();
    if (accept("epir")) {
      auto version = number(1, 1, "the version of the text");
      if (!version) return fail(version.error());
      skip_newlines();
    }
    while (lexer_.peek().kind != Kind::kEnd) {
      auto done = accept("function") ? function() : symbol();
      if (!done) return fail(done.error());
      skip_newlines();
    }
    if (module_.functions.empty()) return fail("input-empty", "the text has no function");
    for (uint32_t s = 0; s < module_.symbols.size(); ++s) {
      bpf::Symbol& symbol = module_.symbols[bpf::SymbolId{s}];
      if (symbol.kind != bpf::Symbol::Kind::kFunc) continue;
      for (uint32_t f = 0; f < module_.functions.size(); ++f)
        if (module_.functions[f].name == symbol.name) symbol.function = bpf::FunctionId{f};
    }
    return std::move(module_);
  }

 private:
  Result<void> symbol() {
    constexpr std::string_view kWords[] = {"map", "data", "func", "kfunc", "ksym", "table", "other"};
    bpf::Symbol symbol;
    bool known = false;
    for (size_t k = 0; k < std::size(kWords); ++k)
      if (!known && accept(kWords[k])) symbol.kind = static_cast<bpf::Symbol::Kind>(k), known = true;
    if (!known) return expected("`function`, or the kind of a symbol");
    const Token at = lexer_.peek();
    auto text = name();
    if (!text) return fail(text.error());
    symbol.name = *text;
    while (lexer_.peek().kind == Kind::kWord) {
      const Token word = lexer_.take();
      if (auto equals = expect("="); !equals) return equals;
      auto value = number(0, UINT32_MAX, "a number");
      if (!value) return fail(value.error());
      if (word.text == "type" && symbol.kind == bpf::Symbol::Kind::kMap)
        symbol.map_type = static_cast<uint32_t>(*value);
      else if (word.text == "weak")
        symbol.weak = *value != 0;
      else if (word.text == "external")
        symbol.external = static_cast<uint32_t>(*value);
      else if (word.text == "target")
        symbol.targets.push_back(static_cast<uint32_t>(*value));
      else if (word.text == "args" && *value <= bpf::kMaxArguments)
        symbol.signature.emplace().args = static_cast<uint8_t>(*value);
      else if (word.text == "void" && symbol.signature)
        symbol.signature->returns_void = *value != 0;
      else
        return bad(word, format("symbols have no property `{}` with this value", word.text));
    }
    if (!symbol_ids_.emplace(symbol.name, bpf::SymbolId{module_.symbols.size()}).second)
      return bad(at, format("the symbol `{}` is declared twice", symbol.name));
    module_.symbols.add(std::move(symbol));
    return end_of_line();
  }

  Result<void> function() {
    fn_ = Function();
    const Token at = lexer_.peek();
    auto text = name();
    if (!text) return fail(text.error());
    fn_.name = *text;
    if (!accept("-")) {
      auto type = name();
      if (!type) return fail(type.error());
      fn_.type = *type;
    }
    if (lexer_.peek().kind != Kind::kString) return expected("the section in quotes");
    fn_.section = lexer_.take().text;
    fn_.is_entry = accept("entry");
    fn_.is_global = accept("global");
    fn_.returns_void = accept("void");
    if (auto open = expect("{"); !open) return open;
    skip_newlines();
    while (accept("slot"))
      if (auto done = slot(); !done) return done;
    while (accept("origins"))
      if (auto done = inlined(); !done) return done;
    if (auto done = parse_body(lexer_, symbol_ids_, fn_); !done) {
      Error error = done.error();
      if (error.where.line < 0) error.where = {.function = fn_.name, .line = at.line, .column = at.column};
      return fail(std::move(error));
    }
    module_.functions.push_back(std::move(fn_));
    return end_of_line();
  }

  Result<void> slot() {
    const Token at = lexer_.take();
    if (at.kind != Kind::kWord || numbered(at.text, 's') != std::optional(fn_.slots.size()))
      return bad(at, format("slots are numbered in order: this is s{}", fn_.slots.size()));
    auto size = number(1, bpf::kStackSize, "a slot's size");
    if (!size) return fail(size.error());
    SlotData slot{.size = static_cast<uint32_t>(*size)};
    if (!accept("any")) {
      for (std::string_view mark : {"at", "fp"})
        if (auto done = expect(mark); !done) return done;
      auto place = number(-bpf::kStackSize, -1, "a slot's place");
      if (!place) return fail(place.error());
      if (*place + *size > 0) return bad(at, "the slot reaches above the frame");
      slot.place = static_cast<int16_t>(*place);
    }
    fn_.slots.add(slot);
    auto done = end_of_line();
    skip_newlines();
    return done;
  }

  Result<void> inlined() {
    const Token at = lexer_.peek();
    auto begin = number(0, UINT32_MAX - 1, "the first origin");
    if (!begin) return fail(begin.error());
    if (auto done = expect("function"); !done) return done;
    auto function = number(0, UINT32_MAX - 1, "a function's number");
    if (!function) return fail(function.error());
    if (auto done = expect("size"); !done) return done;
    auto size = number(0, UINT32_MAX - 1 - *begin, "a number of records");
    if (!size) return fail(size.error());
    if (auto done = expect("copies"); !done) return done;
    auto copies = number(1, UINT32_MAX, "how often it was copied");
    if (!copies) return fail(copies.error());
    const bpf::Inlined from{bpf::FunctionId{uint32_t(*function)}, uint32_t(*begin), uint32_t(*size),
                            uint32_t(*copies)};
    if (!fn_.inlined.empty() && fn_.inlined.back().begin + fn_.inlined.back().size > from.begin)
      return bad(at, "origins of inlined code are in ascending order");
    fn_.inlined.push_back(from);
    auto done = end_of_line();
    skip_newlines();
    return done;
  }

  Module module_;
  SymbolIds symbol_ids_;
  Function fn_;
};

}  // namespace

Result<Module> parse(std::string_view text) {
  Lexer lexer(text);
  return ModuleParser(lexer).run();
}

}  // namespace epass
