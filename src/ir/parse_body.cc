// Reads the blocks of a function. Blocks and instructions are made while reading; operands and edges, which
// may name what comes later, are filled in at the end.

#include <unordered_map>

#include "ir/in_place.h"
#include "ir/parse_tokens.h"
#include "ir/verify.h"

namespace epass {

namespace {

using Kind = Token::Kind;

class BodyParser : ParserTokens {
 public:
  BodyParser(Lexer& lexer, const SymbolIds& symbols, Function& fn)
      : ParserTokens(lexer), symbols_(symbols), fn_(fn) {}

  Result<void> run() {
    Block current;
    while (!accept("}")) {
      if (auto done = line(current); !done) return done;
      skip_newlines();
    }
    if (auto done = fill_in(); !done) return done;
    return check();
  }

 private:
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
    Token token = {};
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
    pending.token = mnemonic;
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
    auto found = symbols_.find(*text);
    if (found == symbols_.end())
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

  // What holds for the function as a whole, said at the instruction and the value that the text names.
  Result<void> check() {
    Fault fault;
    auto valid = verify(fn_, &fault);
    if (valid) return {};
    for (const Pending& pending : pending_) {
      if (!fault.inst || pending.inst != fault.inst) continue;
      auto is_fault = [&](const Operand& operand) {
        auto found = values_.find(operand.index);
        return operand.kind == Operand::Kind::kValue && fault.value && found != values_.end() &&
               found->second == fault.value;
      };
      auto misused = [&](const Operand& operand) {
        return bad(operand.token, format("`{}` is used where it may not be defined", operand.token.text),
                   "epir-dominance");
      };
      for (const Operand& operand : pending.operands)
        if (is_fault(operand)) return misused(operand);
      for (const Target& target : pending.targets)
        for (const Operand& arg : target.args)
          if (is_fault(arg)) return misused(arg);
      return bad(pending.token, format("`{}`: {}", pending.token.text, fault.why), "epir-invalid");
    }
    Error error = valid.error();
    error.code = "epir-invalid";
    return fail(std::move(error));
  }

  const SymbolIds& symbols_;
  Function& fn_;
  std::unordered_map<uint32_t, Value> values_;
  std::unordered_map<uint32_t, Block> blocks_;
  std::vector<Pending> pending_;
};

}  // namespace

Result<void> parse_body(Lexer& lexer, const SymbolIds& symbols, Function& fn) {
  return BodyParser(lexer, symbols, fn).run();
}

}  // namespace epass
