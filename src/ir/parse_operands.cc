// What an instruction of `.epir` text carries besides its opcode.

#include "ir/body_parser.h"

namespace epass {

Result<void> BodyParser::operands(InstData& d, Pending& pending) {
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
  while (lexer_.peek().kind != Kind::kNewline && lexer_.peek().kind != Kind::kEnd && !lexer_.peek().is("@") &&
         !lexer_.peek().is("core")) {
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

Result<void> BodyParser::base(Operand& operand, InstData& d) {
  int64_t at = operand.number;
  if (operand.kind == Operand::Kind::kNumber) return bad(operand.token, "a number cannot be an address here");
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

Result<void> BodyParser::symbol_operand(InstData& d) {
  const Token token = lexer_.peek();
  auto text = name();
  if (!text) return fail(text.error());
  auto found = symbols_.find(*text);
  if (found == symbols_.end())
    return bad(token, format("the symbol `{}` is not declared", *text), "epir-name");
  d.symbol = found->second;
  return {};
}

Result<void> BodyParser::call(InstData& d, Pending& pending) {
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

Result<void> BodyParser::attributes(InstData& d, Home& where) {
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

Result<void> BodyParser::suffix(const Token& token, std::string_view text, InstData& d) {
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

}  // namespace epass
