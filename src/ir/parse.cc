// Reads the `.epir` text. Blocks and instructions are made while reading; operands and edges, which may name
// what comes later, are filled in at the end of each function.

#include <map>
#include <unordered_map>

#include "base/format.h"
#include "ir/in_place.h"
#include "ir/lexer.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace epass {

namespace {

using Kind = Token::Kind;

// `v12` -> 12.
std::optional<uint32_t> numbered(std::string_view word, char letter) {
  if (word.size() < 2 || word.size() > 9 || word[0] != letter) return std::nullopt;
  uint32_t number = 0;
  for (char c : word.substr(1)) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<uint32_t>(c - '0');
  }
  return number;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text) {}

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
  // --- tokens
  std::unexpected<Error> bad(const Token& token, std::string message, std::string code = "epir-syntax") {
    return fail(std::move(code), std::move(message), {.line = token.line, .column = token.column});
  }
  std::unexpected<Error> expected(std::string_view what) {
    const Token& token = lexer_.peek();
    const std::string found = token.kind == Kind::kNewline ? "the end of the line"
                              : token.kind == Kind::kEnd   ? "the end of the text"
                                                           : "`" + token.text + "`";
    return bad(token, format("{} is expected here, not {}", what, found));
  }
  void skip_newlines() {
    while (lexer_.peek().kind == Kind::kNewline) lexer_.take();
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
    if (lexer_.peek().kind == Kind::kEnd) return {};
    if (lexer_.peek().kind != Kind::kNewline) return expected("the end of the line");
    lexer_.take();
    return {};
  }
  // -5, 12, 0xffffffffffffffff.
  Result<int64_t> number(int64_t least, int64_t most, std::string_view what) {
    const bool negative = accept("-");
    if (lexer_.peek().kind != Kind::kNumber) return expected(what);
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
    if (lexer_.peek().kind != Kind::kWord && lexer_.peek().kind != Kind::kString) return expected("a name");
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
    if (token.kind == Kind::kWord) {
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

  // --- declarations
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
      if (word.text == "weak")
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
    values_.clear(), blocks_.clear(), pending_.clear();
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
    Block current;
    while (!accept("}")) {
      auto done = line(current);
      if (!done) return done;
      skip_newlines();
    }
    if (auto done = fill_in(); !done) return done;
    if (auto valid = verify(fn_); !valid) {
      Error error = valid.error();
      error.code = "epir-invalid";
      error.where = {.function = fn_.name, .line = at.line, .column = at.column};
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

  // --- blocks and instructions
  Block block_named(uint32_t number) {
    auto [found, is_new] = blocks_.try_emplace(number);
    if (is_new) found->second = fn_.blocks.add({});
    return found->second;
  }

  Result<void> define(const Token& token, Value value) {
    auto number = numbered(token.text, 'v');
    if (!number) return bad(token, "a value is called v and a number");
    if (!values_.emplace(*number, value).second)
      return bad(token, format("`{}` is defined twice", token.text), "epir-name");
    return {};
  }

  Result<void> line(Block& current) {
    const Token first = lexer_.peek();
    if (first.kind != Kind::kWord) return expected("a block or an instruction");
    lexer_.take();
    const bool is_value = numbered(first.text, 'v').has_value() && lexer_.peek().is("=");
    if (!is_value)
      if (auto number = numbered(first.text, 'b')) return block(first, *number, current);
    if (!current) return bad(first, "an instruction outside of a block");
    if (Inst end = fn_.terminator(current); end && ends_block(fn_.insts[end].op))
      return bad(first, "an instruction behind the end of its block");
    Token mnemonic = first;
    if (is_value) {
      lexer_.take();
      if (lexer_.peek().kind != Kind::kWord) return expected("an opcode");
      mnemonic = lexer_.take();
    }
    return inst(current, is_value ? &first : nullptr, mnemonic);
  }

  Result<void> block(const Token& token, uint32_t number, Block& current) {
    current = block_named(number);
    if (fn_.blocks[current].placed)
      return bad(token, format("`{}` is defined twice", token.text), "epir-name");
    fn_.move_block_after(current, fn_.last_block());
    if (accept("(")) {
      do {
        const Token value = lexer_.take();
        Home where;
        if (accept(":")) {
          auto read = home();
          if (!read) return fail(read.error());
          where = *read;
        }
        if (auto done = define(value, fn_.add_param(current, where)); !done) return done;
      } while (accept(","));
      if (auto close = expect(")"); !close) return close;
    }
    auto target = attribute("target", UINT32_MAX - 1);
    if (!target) return fail(target.error());
    if (*target) fn_.blocks[current].table_target = static_cast<uint32_t>(**target);
    if (auto colon = expect(":"); !colon) return colon;
    return end_of_line();
  }

  // What an instruction refers to before all values are known.
  struct Operand {
    enum class Kind : uint8_t { kValue, kNumber, kSlot } kind = Kind::kValue;
    Token token = {};
    uint32_t index = 0;  // value or slot
    int64_t number = 0;  // constant, or offset
  };
  struct Target {
    Block block = {};
    std::vector<Operand> args = {};
  };
  struct Pending {
    Inst inst = {};
    std::vector<Operand> operands = {};
    std::vector<Target> targets = {};
    std::vector<Value> made = {};  // by operand: a value made for it in place
  };

  Result<Operand> operand() {
    Operand out{.token = lexer_.peek()};
    if (lexer_.peek().kind == Kind::kNumber || lexer_.peek().is("-")) {
      auto value = any_number();
      if (!value) return fail(value.error());
      out.kind = Operand::Kind::kNumber, out.number = *value;
      return out;
    }
    if (lexer_.peek().kind == Kind::kWord) {
      if (auto v = numbered(out.token.text, 'v')) {
        lexer_.take();
        out.index = *v;
        return out;
      }
      if (auto s = numbered(out.token.text, 's')) {
        lexer_.take();
        if (*s >= fn_.slots.size())
          return bad(out.token, format("no slot `{}` is declared", out.token.text), "epir-name");
        auto at = offset();
        if (!at) return fail(at.error());
        out.kind = Operand::Kind::kSlot, out.index = *s, out.number = *at;
        return out;
      }
    }
    return expected("a value, a slot or a number");
  }

  Result<Target> target() {
    const Token token = lexer_.peek();
    auto number = token.kind == Kind::kWord ? numbered(token.text, 'b') : std::nullopt;
    if (!number) return expected("a block");
    lexer_.take();
    Target out{.block = block_named(*number)};
    if (!accept("(")) return out;
    do {
      auto arg = operand();
      if (!arg) return fail(arg.error());
      if (arg->kind != Operand::Kind::kValue) return bad(arg->token, "arguments of blocks are values");
      out.args.push_back(std::move(*arg));
    } while (accept(","));
    if (auto close = expect(")"); !close) return fail(close.error());
    return out;
  }

  Result<void> suffix(const Token& token, std::string_view text, InstData& d) {
    const uint8_t fields = info(d.op).fields;
    constexpr std::string_view kSizes[] = {"u8", "u16", "u32", "u64", "s8", "s16", "s32"};
    if (fields & kSize)
      for (size_t n = 0; n < std::size(kSizes); ++n)
        if (kSizes[n] == text) return d.size = static_cast<MemSize>(n), Result<void>();
    if ((fields & kWidth) && text == "32") return d.width = Width::k32, Result<void>();
    if (d.op == Opcode::Const && text == "mov32") return d.form = Form::kMov32, Result<void>();
    if (d.op == Opcode::Const && text == "imm64") return d.form = Form::kLdImm64, Result<void>();
    if (text.empty() && !(fields & kSize)) return {};
    return bad(token, text.empty() ? format("`{}` needs a size", token.text)
                                   : format("`{}` has no form `.{}`", info(d.op).mnemonic, text));
  }

  Result<void> inst(Block b, const Token* result, const Token& mnemonic) {
    const size_t dot = mnemonic.text.find('.');
    const std::string word = mnemonic.text.substr(0, dot);
    InstData d;
    if (auto op = opcode_named(word))
      d.op = *op;
    else
      return bad(mnemonic, format("no instruction is called `{}`", word));
    if (auto done = suffix(
            mnemonic, dot == std::string::npos ? "" : std::string_view(mnemonic.text).substr(dot + 1), d);
        !done)
      return done;
    Pending pending;
    auto done = is_call(d.op) ? call(d, pending) : operands(d, pending);
    if (!done) return done;
    const OpcodeInfo& op = info(d.op);
    if (op.operands != kVariadic && pending.operands.size() != op.operands)
      return bad(mnemonic, format("`{}` takes {} operand{}, not {}", word, op.operands,
                                  op.operands == 1 ? "" : "s", pending.operands.size()));
    if (op.operands == kVariadic && pending.operands.size() > (d.op == Opcode::CallX ? 6u : 5u))
      return bad(mnemonic, "a call has at most five arguments");
    if (op.edges != kVariadic && pending.targets.size() != op.edges)
      return bad(mnemonic, format("`{}` has {} target{}, not {}", word, op.edges, op.edges == 1 ? "" : "s",
                                  pending.targets.size()));
    if (pending.targets.size() > UINT8_MAX) return bad(mnemonic, "at most 255 targets");
    if (op.has_result != (result != nullptr))
      return bad(mnemonic, op.has_result ? format("`{}` makes a value: `v1 = {}`", word, word)
                                         : format("`{}` makes no value", word));
    Home where;
    if (auto read = attributes(d, where); !read) return read;
    make_in_place(b, d, pending);
    pending.inst = fn_.append(b, d, {}, where);
    if (result)
      if (auto defined = define(*result, fn_.insts[pending.inst].result); !defined) return defined;
    pending_.push_back(std::move(pending));
    return end_of_line();
  }

  // pseudo(1) core(3) imm(5) off(1), then @9:r6.
  Result<void> attributes(InstData& d, Home& where) {
    const struct {
      std::string_view word;
      int64_t most;
    } kinds[] = {{"imm", INT64_MAX}, {"off", INT16_MAX}, {"pseudo", 15}, {"core", UINT32_MAX - 1}};
    for (size_t k = 0; k < std::size(kinds); ++k) {
      auto value = attribute(kinds[k].word, kinds[k].most);
      if (!value) return fail(value.error());
      if (!*value) continue;
      if (k == 0) d.imm = **value;
      if (k == 1) d.offset = static_cast<int16_t>(**value);
      if (k == 2) d.pseudo = static_cast<uint8_t>(**value);
      if (k == 3) d.core = static_cast<uint32_t>(**value);
    }
    if (!accept("@")) return {};
    if (!accept("-")) {
      auto origin = number(0, UINT32_MAX - 1, "an instruction number");
      if (!origin) return fail(origin.error());
      d.origin = static_cast<uint32_t>(*origin);
    }
    if (!accept(":")) return {};
    auto read = home();
    if (!read) return fail(read.error());
    where = *read;
    return {};
  }

  // Operands, then number or symbol, then targets: whatever stands there, in that order.
  Result<void> operands(InstData& d, Pending& pending) {
    const OpcodeInfo& op = info(d.op);
    if (d.op == Opcode::Symbol) {
      if (auto done = symbol_operand(d); !done) return done;
      if (lexer_.peek().is("+") || lexer_.peek().is("-")) {
        auto addend = offset();
        if (!addend) return fail(addend.error());
        d.imm = *addend;
      }
      return {};
    }
    if (d.op == Opcode::SlotAddr) {
      auto slot = operand();
      if (!slot) return fail(slot.error());
      if (slot->kind != Operand::Kind::kSlot) return bad(slot->token, "`slot_addr` takes a slot");
      d.slot = Slot{slot->index}, d.imm = slot->number;
      return {};
    }
    const size_t wanted = op.operands + size_t(op.fields & kImm ? 1 : 0);
    bool first = true;
    while (lexer_.peek().kind != Kind::kNewline && lexer_.peek().kind != Kind::kEnd &&
           !lexer_.peek().is("@") && !lexer_.peek().is("core")) {
      if (!first)
        if (auto comma = expect(","); !comma) return comma;
      first = false;
      if (pending.operands.size() < wanted) {
        auto next = operand();
        if (!next) return fail(next.error());
        if (pending.operands.empty() && (op.fields & kOffset))
          if (auto done = base(*next, d); !done) return done;
        pending.operands.push_back(std::move(*next));
      } else {
        auto edge = target();
        if (!edge) return fail(edge.error());
        pending.targets.push_back(std::move(*edge));
      }
    }
    if (!(op.fields & kImm)) return {};
    if (pending.operands.empty() || pending.operands.back().kind != Operand::Kind::kNumber)
      return expected("a number");
    d.imm = pending.operands.back().number;
    pending.operands.pop_back();
    return {};
  }

  // The base of a memory access: `v5+28`, `s0+4`.
  Result<void> base(Operand& operand, InstData& d) {
    int64_t at = operand.number;
    if (operand.kind == Operand::Kind::kNumber)
      return bad(operand.token, "a number cannot be an address here");
    if (operand.kind == Operand::Kind::kValue) {
      auto read = offset();
      if (!read) return fail(read.error());
      at = *read;
    } else {
      operand.number = slot_base_imm(fn_.slots[Slot{operand.index}]);
      at -= operand.number;
    }
    if (at != static_cast<int16_t>(at)) return bad(operand.token, "the offset does not fit in 16 bits");
    d.offset = static_cast<int16_t>(at);
    return {};
  }

  Result<void> symbol_operand(InstData& d) {
    const Token token = lexer_.peek();
    auto text = name();
    if (!text) return fail(text.error());
    auto found = symbol_ids_.find(*text);
    if (found == symbol_ids_.end())
      return bad(token, format("the symbol `{}` is not declared", *text), "epir-name");
    d.symbol = found->second;
    return {};
  }

  Result<void> call(InstData& d, Pending& pending) {
    if (d.op == Opcode::CallHelper) {
      const bool kfunc = accept("kfunc");
      if (kfunc || accept("func")) {
        d.op = kfunc ? Opcode::CallKfunc : Opcode::CallFunc;
        if (auto done = symbol_operand(d); !done) return done;
      } else {
        if (!lexer_.peek().is("#"))
          if (auto text = name(); !text) return fail(text.error());  // the number counts
        if (auto hash = expect("#"); !hash) return hash;
        auto id = number(INT32_MIN, INT32_MAX, "a helper's number");
        if (!id) return fail(id.error());
        d.imm = *id;
      }
    }
    if (auto open = expect("("); !open) return open;
    if (accept(")")) return {};
    do {
      auto arg = operand();
      if (!arg) return fail(arg.error());
      pending.operands.push_back(std::move(*arg));
    } while (accept(","));
    return expect(")");
  }

  // Numbers and slots among the operands become instructions in front of their user.
  void make_in_place(Block b, const InstData& user, Pending& pending) {
    for (const Operand& operand : pending.operands) {
      InstData d{.op = Opcode::Const, .imm = operand.number, .origin = user.origin};
      if (operand.kind == Operand::Kind::kSlot) d.op = Opcode::SlotAddr, d.slot = Slot{operand.index};
      const bool here = operand.kind != Operand::Kind::kValue;
      pending.made.push_back(here ? fn_.insts[fn_.append(b, d)].result : Value{});
    }
  }

  Result<Value> value_of(const Operand& operand) {
    auto found = values_.find(operand.index);
    if (found == values_.end())
      return bad(operand.token, format("`{}` is not defined", operand.token.text), "epir-name");
    return found->second;
  }

  Result<void> fill_in() {
    for (const Pending& pending : pending_) {
      std::vector<Value> values;
      for (size_t n = 0; n < pending.operands.size(); ++n) {
        Result<Value> value = pending.made[n];
        if (!pending.made[n]) value = value_of(pending.operands[n]);
        if (!value) return fail(value.error());
        values.push_back(*value);
      }
      fn_.set_operands(pending.inst, values);
      if (pending.targets.empty()) continue;
      std::vector<Block> targets;
      for (const Target& target : pending.targets) targets.push_back(target.block);
      fn_.set_targets(pending.inst, targets);
      for (size_t n = 0; n < pending.targets.size(); ++n) {
        std::vector<Value> args;
        for (const Operand& arg : pending.targets[n].args) {
          auto value = value_of(arg);
          if (!value) return fail(value.error());
          args.push_back(*value);
        }
        fn_.set_args(fn_.edge(pending.inst, n), args);
      }
    }
    return {};
  }

  Lexer lexer_;
  Module module_;
  std::map<std::string, bpf::SymbolId, std::less<>> symbol_ids_;
  Function fn_;
  std::unordered_map<uint32_t, Value> values_;
  std::unordered_map<uint32_t, Block> blocks_;
  std::vector<Pending> pending_;
};

}  // namespace

Result<Module> parse(std::string_view text) { return Parser(text).run(); }

}  // namespace epass
