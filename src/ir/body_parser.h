#pragma once
#include <unordered_map>

#include "ir/in_place.h"
#include "ir/parse_tokens.h"
#include "ir/verify.h"

namespace epass {

// Reads the blocks of one function. parse_body.cc: blocks and what comes last; parse_operands.cc: what one
// instruction carries.
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

  Result<void> line(Block& current);

  Result<void> block(const Token& token, uint32_t number, Block& current);

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

  Result<Operand> operand();

  Result<Target> target();

  Result<void> suffix(const Token& token, std::string_view text, InstData& d);

  Result<void> inst(Block b, const Token* result, const Token& mnemonic);

  // pseudo(1) core(3) imm(5) off(1), then @9:r6.
  Result<void> attributes(InstData& d, Home& where);

  // Operands, then number or symbol, then targets: whatever stands there, in that order.
  Result<void> operands(InstData& d, Pending& pending);

  // The base of a memory access: `v5+28`, `s0+4`.
  Result<void> base(Operand& operand, InstData& d);

  Result<void> symbol_operand(InstData& d);

  Result<void> call(InstData& d, Pending& pending);

  // Numbers and slots among the operands become instructions in front of their user.
  void make_in_place(Block b, const InstData& user, Pending& pending);

  Result<Value> value_of(const Operand& operand);

  Result<void> fill_in();

  // What holds for the function as a whole, said at the instruction and the value that the text names.
  Result<void> check();

  const SymbolIds& symbols_;
  Function& fn_;
  std::unordered_map<uint32_t, Value> values_;
  std::unordered_map<uint32_t, Block> blocks_;
  std::vector<Pending> pending_;
};

}  // namespace epass
