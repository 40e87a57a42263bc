// Reads the blocks of a function. Blocks and instructions are made while reading; operands and edges, which
// may name what comes later, are filled in at the end.

#include "ir/body_parser.h"

namespace epass {

Result<void> BodyParser::fill_in() {
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

Result<void> BodyParser::check() {
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

Result<void> BodyParser::inst(Block b, const Token* result, const Token& mnemonic) {
  const size_t dot = mnemonic.text.find('.');
  const std::string word = mnemonic.text.substr(0, dot);
  InstData d;
  if (auto op = opcode_named(word))
    d.op = *op;
  else
    return bad(mnemonic, format("no instruction is called `{}`", word));
  if (auto done = suffix(mnemonic,
                         dot == std::string::npos ? "" : std::string_view(mnemonic.text).substr(dot + 1), d);
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

Result<void> BodyParser::block(const Token& token, uint32_t number, Block& current) {
  current = block_named(number);
  if (fn_.blocks[current].placed) return bad(token, format("`{}` is defined twice", token.text), "epir-name");
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

Result<void> BodyParser::line(Block& current) {
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

Result<BodyParser::Operand> BodyParser::operand() {
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

Result<BodyParser::Target> BodyParser::target() {
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

Result<Value> BodyParser::value_of(const Operand& operand) {
  auto found = values_.find(operand.index);
  if (found == values_.end())
    return bad(operand.token, format("`{}` is not defined", operand.token.text), "epir-name");
  return found->second;
}

void BodyParser::make_in_place(Block b, const InstData& user, Pending& pending) {
  for (const Operand& operand : pending.operands) {
    InstData d{.op = Opcode::Const, .imm = operand.number, .origin = user.origin};
    if (operand.kind == Operand::Kind::kSlot) d.op = Opcode::SlotAddr, d.slot = Slot{operand.index};
    const bool here = operand.kind != Operand::Kind::kValue;
    pending.made.push_back(here ? fn_.insts[fn_.append(b, d)].result : Value{});
  }
}

Result<void> parse_body(Lexer& lexer, const SymbolIds& symbols, Function& fn) {
  return BodyParser(lexer, symbols, fn).run();
}

}  // namespace epass
