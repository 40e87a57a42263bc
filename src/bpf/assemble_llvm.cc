// Instructions in the syntax of LLVM and the kernel, except the right sides of assignments.

#include "base/format.h"
#include "bpf/assembler.h"

namespace epass::bpf {

namespace {

constexpr struct {
  std::string_view text;
  uint8_t op;
  bool is_signed = false;
} kAluOperators[] = {{"+=", kAdd},    {"-=", kSub},        {"*=", kMul},       {"/=", kDiv}, {"|=", kOr},
                     {"&=", kAnd},    {"<<=", kLsh},       {">>=", kRsh},      {"%=", kMod}, {"^=", kXor},
                     {"s>>=", kArsh}, {"s/=", kDiv, true}, {"s%=", kMod, true}};

constexpr struct {
  std::string_view text;
  uint8_t op;
} kComparisons[] = {{"==", kJeq},   {">", kJgt}, {">=", kJge}, {"&", kJset},  {"!=", kJne},  {"s>", kJsgt},
                    {"s>=", kJsge}, {"<", kJlt}, {"<=", kJle}, {"s<", kJslt}, {"s<=", kJsle}};

constexpr std::string_view kMixedWidths = "one register is 64 bits wide, the other 32";

}  // namespace

bool Assembler::llvm(Cursor& c) {
  if (c.is("*")) return store(c);
  if (c.is_register()) return assignment(c);
  const Token word = c.peek();
  if (c.accept("exit")) return c.expect_end() && emit(make_insn(kCodeExit, 0, 0, 0, 0));
  if (c.accept("if")) return branch(c);
  if (c.accept("goto")) return target(c, make_insn(kCodeJa, 0, 0, 0, 0));
  if (c.accept("gotol")) return target(c, make_insn(kCodeGotol, 0, 0, 0, 0));
  if (c.accept("may_goto")) return target(c, make_insn(kCodeMayGoto, 0, 0, 0, 0));
  if (c.is("gotox") || c.is("callx")) {
    const uint8_t code = c.next().text == "gotox" ? uint8_t{kCodeGotox} : uint8_t{kCodeCallx};
    Register reg;
    return c.read(reg) && c.expect_end() && emit(make_insn(code, reg.number, 0, 0, 0));
  }
  if (c.accept("call")) return call(c);
  if (c.accept("lock")) return locked(c);
  if (c.accept("store_release")) return store_release(c);
  if (c.accept("ld_pseudo")) return ld_pseudo(c);
  if (word.kind == Token::Kind::kWord && word.text.starts_with('r') && word.text.size() > 1 &&
      word.text[1] >= '0' && word.text[1] <= '9')
    return c.fail(format("there is no register `{}`", word.text), "registers are r0 to r10");
  return c.fail(format("`{}` begins no instruction", word.text),
                "instructions look like `r1 = *(u32 *)(r2 + 4)`; docs/assembler.md shows all forms");
}

bool Assembler::assignment(Cursor& c) {
  Register dst;
  if (!c.read(dst)) return false;
  if (c.accept("=")) return value(c, dst);
  return arithmetic(c, dst);
}

bool Assembler::arithmetic(Cursor& c, Register dst) {
  const Token text = c.peek();
  for (const auto& row : kAluOperators) {
    if (!c.accept(row.text)) continue;
    const uint8_t cls = dst.is_word ? kAlu : kAlu64;
    const auto off = static_cast<int16_t>(row.is_signed);
    if (c.is_register()) {
      const Token place = c.peek();
      Register src;
      if (!c.read(src)) return false;
      if (src.is_word != dst.is_word) return c.fail_at(place.column, std::string(kMixedWidths));
      return c.expect_end() &&
             emit(make_insn(static_cast<uint8_t>(cls | row.op | kX), dst.number, src.number, off, 0));
    }
    int64_t imm = 0;
    if (!c.read_field(imm, 32, true, "immediate") || !c.expect_end()) return false;
    return emit(make_insn(static_cast<uint8_t>(cls | row.op), dst.number, 0, off, static_cast<int32_t>(imm)));
  }
  return c.fail(c.at_end() ? "an operation belongs behind the register"
                           : format("`{}` is no operation on a register", text.text),
                "`=`, `+=`, `-=`, `*=`, `/=`, `s/=`, `%=`, `s%=`, `&=`, `|=`, `^=`, `<<=`, `>>=`, `s>>=`");
}

bool Assembler::branch(Cursor& c) {
  Register dst;
  if (!c.read(dst)) return false;
  uint8_t op = 0;
  const Token text = c.peek();
  for (const auto& row : kComparisons)
    if (!op && c.accept(row.text)) op = row.op;
  if (!op)
    return c.fail(format("`{}` is no comparison", text.text),
                  "`==`, `!=`, `>`, `>=`, `<`, `<=`, `s>`, `s>=`, `s<`, `s<=`, `&`");
  auto code = static_cast<uint8_t>((dst.is_word ? kJmp32 : kJmp) | op);
  Register src;
  int64_t imm = 0;
  if (c.is_register()) {
    const Token place = c.peek();
    if (!c.read(src)) return false;
    if (src.is_word != dst.is_word) return c.fail_at(place.column, std::string(kMixedWidths));
    code |= kX;
  } else if (!c.read_field(imm, 32, true, "immediate")) {
    return false;
  }
  if (!c.expect("goto")) return false;
  return target(c, make_insn(code, dst.number, src.number, 0, static_cast<int32_t>(imm)));
}

// call 5   call name   call name#5   call kfunc#7   call pc+3
bool Assembler::call(Cursor& c) {
  if (c.is_number() || c.is("-") || c.is("+")) {
    int64_t imm = 0;
    return c.read_field(imm, 32, true, "helper number") && c.expect_end() &&
           emit(make_insn(kCodeCall, 0, 0, 0, static_cast<int32_t>(imm)));
  }
  if (c.is_register()) {
    Register reg;
    return c.read(reg) && c.expect_end() && emit(make_insn(kCodeCallx, reg.number, 0, 0, 0));
  }
  if (!c.is_word()) return c.fail("`call` needs a number, a name or a register");
  if (c.is("pc") && (c.is("+", 1) || c.is("-", 1))) {
    c.next();
    int64_t imm = 0;
    return c.read_field(imm, 32, false, "distance of the call") && c.expect_end() &&
           emit(make_insn(kCodeCall, 0, kLocalCall, 0, static_cast<int32_t>(imm)));
  }
  uint8_t src = kHelperCall;
  if (c.is("kfunc") && (c.is("#", 1) || c.is_word(1))) {
    c.next();
    src = kKfuncCall;
  }
  Token name = c.peek();
  if (c.is_word()) c.next();
  if (c.accept("#")) {
    int64_t imm = 0;
    return c.read_field(imm, 32, true, "number of the function") && c.expect_end() &&
           emit(make_insn(kCodeCall, 0, src, 0, static_cast<int32_t>(imm)));
  }
  // A function of this text or of another one, or of the kernel; or the name of a helper.
  wait_for(Fixup::Kind::kCall, name.text, c, name.column);
  return c.expect_end() && emit(make_insn(kCodeCall, 0, kLocalCall, 0, -1));
}

// (r1 + 4), without the parentheses where `xchg_64(r1 + 4, r2)` has none.
bool Assembler::place(Cursor& c, uint8_t& base, int64_t& offset) {
  Register reg;
  const Token first = c.peek();
  if (!c.read(reg)) return false;
  if (reg.is_word) return c.fail_at(first.column, "addresses stand in 64-bit registers", "r0 to r10");
  base = reg.number, offset = 0;
  if (!c.is("+") && !c.is("-")) return true;
  return c.read_field(offset, 16, false, "offset");
}

// (u32 *)(r1 + 4)
bool Assembler::typed_place(Cursor& c, uint8_t& size, bool& is_signed, uint8_t& base, int64_t& offset) {
  if (!c.expect("(")) return false;
  const Token type = c.peek();
  constexpr struct {
    std::string_view bits;
    uint8_t size;
  } kSizes[] = {{"8", kB}, {"16", kH}, {"32", kW}, {"64", kDw}};
  bool known = false;
  for (const auto& row : kSizes)
    if (c.is_word() && type.text.size() > 1 && type.text.substr(1) == row.bits)
      size = row.size, known = type.text[0] == 'u' || type.text[0] == 's';
  if (!known)
    return c.fail(format("`{}` is no type of memory", type.text), "u8, u16, u32, u64, s8, s16, s32");
  is_signed = c.next().text[0] == 's';
  return c.expect("*") && c.expect(")") && c.expect("(") && place(c, base, offset) && c.expect(")");
}

// *(u32 *)(r1 + 4) = r2
bool Assembler::store(Cursor& c) {
  uint8_t size = 0, base = 0;
  bool is_signed = false;
  int64_t offset = 0;
  if (!c.expect("*") || !typed_place(c, size, is_signed, base, offset) || !c.expect("=")) return false;
  const auto off = static_cast<int16_t>(offset);
  if (c.is_register()) {
    Register src;
    const Token place = c.peek();
    if (!c.read(src)) return false;
    if (src.is_word && size == kDw)
      return c.fail_at(place.column, "a 32-bit register has no 64 bits to store");
    return c.expect_end() &&
           emit(make_insn(static_cast<uint8_t>(kStx | kMem | size), base, src.number, off, 0));
  }
  int64_t imm = 0;
  return c.read_field(imm, 32, true, "immediate") && c.expect_end() &&
         emit(make_insn(static_cast<uint8_t>(kSt | kMem | size), base, 0, off, static_cast<int32_t>(imm)));
}

// lock *(u64 *)(r1 + 4) += r2
bool Assembler::locked(Cursor& c) {
  uint8_t size = 0, base = 0;
  bool is_signed = false;
  int64_t offset = 0;
  if (!c.expect("*") || !typed_place(c, size, is_signed, base, offset)) return false;
  int32_t op = -1;
  for (const auto& row : kAluOperators)
    if ((row.op == kAdd || row.op == kOr || row.op == kAnd || row.op == kXor) && op < 0 && c.accept(row.text))
      op = row.op;
  if (op < 0) return c.fail(format("`{}` is no atomic operation", c.peek().text), "`+=`, `|=`, `&=`, `^=`");
  if (size != kW && size != kDw) return c.fail("atomic operations have 32 or 64 bits");
  Register src;
  return c.read(src) && c.expect_end() &&
         emit(make_insn(static_cast<uint8_t>(kStx | kAtomic | size), base, src.number,
                        static_cast<int16_t>(offset), op));
}

// store_release((u64 *)(r1 + 0), r2)
bool Assembler::store_release(Cursor& c) {
  uint8_t size = 0, base = 0;
  bool is_signed = false;
  int64_t offset = 0;
  Register src;
  return c.expect("(") && typed_place(c, size, is_signed, base, offset) && c.expect(",") && c.read(src) &&
         c.expect(")") && c.expect_end() &&
         emit(make_insn(static_cast<uint8_t>(kStx | kAtomic | size), base, src.number,
                        static_cast<int16_t>(offset), kStoreRel));
}

// ld_pseudo r1, 1, 5
bool Assembler::ld_pseudo(Cursor& c) {
  Register dst;
  int64_t kind = 0;
  Number number;
  if (!c.read(dst) || !c.expect(",") || !c.read_field(kind, 5, false, "kind") || !c.expect(",") ||
      !c.read(number))
    return false;
  return c.expect_end() && emit_imm64(dst.number, static_cast<uint8_t>(kind & 15), number.bits());
}

}  // namespace epass::bpf
