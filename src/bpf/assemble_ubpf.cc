// Instructions in the syntax of uBPF and rbpf: `add32 r1, 5`, `ldxw r0, [r1+4]`, `jeq r1, r2, label`.

#include <algorithm>

#include "base/format.h"
#include "bpf/assembler.h"

namespace epass::bpf {

namespace {

struct Row {
  std::string_view word;
  uint8_t op;
  bool is_signed = false;
};

constexpr Row kAlus[] = {{"add", kAdd},   {"sub", kSub},        {"mul", kMul},       {"div", kDiv},
                         {"or", kOr},     {"and", kAnd},        {"lsh", kLsh},       {"rsh", kRsh},
                         {"neg", kNeg},   {"mod", kMod},        {"xor", kXor},       {"mov", kMov},
                         {"arsh", kArsh}, {"sdiv", kDiv, true}, {"smod", kMod, true}};
constexpr Row kJumps[] = {{"jeq", kJeq}, {"jgt", kJgt},   {"jge", kJge},   {"jset", kJset},
                          {"jne", kJne}, {"jsgt", kJsgt}, {"jsge", kJsge}, {"jlt", kJlt},
                          {"jle", kJle}, {"jslt", kJslt}, {"jsle", kJsle}};
// Ends of the names of loads and stores.
constexpr Row kSizes[] = {{"b", kB}, {"h", kH}, {"w", kW}, {"dw", kDw}};

template <size_t N>
const Row* find(const Row (&rows)[N], std::string_view word) {
  auto row = std::ranges::find(rows, word, &Row::word);
  return row == std::end(rows) ? nullptr : row;
}

// `add64` and `add` are 64 bits wide, `add32` 32.
std::string_view without_width(std::string_view word, bool& is_word) {
  is_word = word.ends_with("32");
  if (is_word || word.ends_with("64")) word.remove_suffix(2);
  return word;
}

bool is_one_edit(std::string_view a, std::string_view b) {
  if (a.size() > b.size()) std::swap(a, b);
  if (b.size() - a.size() > 1) return false;
  size_t same = 0;
  while (same < a.size() && a[same] == b[same]) ++same;
  return a.substr(same + (a.size() == b.size())) == b.substr(same + 1);
}

// The instruction that a wrong word most likely stood for, "" if none is near.
std::string nearest(std::string_view word) {
  if (word.empty()) return "";
  for (const auto* rows : {kAlus, kJumps})
    for (size_t n = 0; n < (rows == kAlus ? std::size(kAlus) : std::size(kJumps)); ++n)
      for (std::string_view width : {"", "32", "64"})
        if (const std::string name = std::string(rows[n].word).append(width); is_one_edit(word, name))
          return name;
  for (std::string_view kind : {"ldx", "stx", "st", "ldxs", "ldabs", "ldind"})
    for (const Row& size : kSizes)
      if (const std::string name = std::string(kind).append(size.word); is_one_edit(word, name)) return name;
  for (std::string_view name : {"exit", "call", "ja", "lddw", "lock", "be16", "le16", "swap16"})
    if (is_one_edit(word, name)) return std::string(name);
  return "";
}

}  // namespace

bool Assembler::ubpf(Cursor& c) {
  const Token first = c.peek();
  if (first.kind != Token::Kind::kWord)
    return c.fail(format("`{}` begins no instruction", first.text),
                  "instructions look like `ldxw r0, [r1+4]`");
  const std::string_view word = first.text;
  c.next();
  if (word == "exit") return c.expect_end() && emit(make_insn(kCodeExit, 0, 0, 0, 0));
  if (word == "ja" || word == "ja32" || word == "goto")
    return target(c, make_insn(word == "ja32" ? kCodeGotol : kCodeJa, 0, 0, 0, 0));
  if (word == "call" || word == "callx") return ubpf_call(c);
  if (word == "lddw") return ubpf_lddw(c);
  if (word == "lock") return ubpf_lock(c);
  bool known = false;
  for (auto read : {&Assembler::ubpf_alu, &Assembler::ubpf_jump, &Assembler::ubpf_memory})
    if (const bool ok = (this->*read)(c, word, known); known) return ok;
  const std::string meant = nearest(word);
  return c.fail_at(first.column, format("`{}` is no instruction", word),
                   meant.empty() ? "instructions look like `ldxw r0, [r1+4]`; docs/assembler.md lists them"
                                 : format("did you mean `{}`?", meant));
}

bool Assembler::ubpf_alu(Cursor& c, std::string_view word, bool& known) {
  Register dst, src;
  known = true;
  for (std::string_view order : {"be", "le", "swap", "bswap"}) {
    if (!word.starts_with(order)) continue;
    const std::string_view bits = word.substr(order.size());
    if (bits != "16" && bits != "32" && bits != "64") continue;
    const auto code =
        static_cast<uint8_t>(kEnd | (order.ends_with("swap") ? kAlu64 : kAlu) | (order == "be" ? kX : kK));
    return c.read(dst) && c.expect_end() &&
           emit(make_insn(code, dst.number, 0, 0,
                          bits == "16"   ? 16
                          : bits == "32" ? 32
                                         : 64));
  }
  if (word.starts_with("movsx")) {
    constexpr struct {
      std::string_view widths;
      int16_t from;
      uint8_t cls;
    } kWidths[] = {
        {"832", 8, kAlu}, {"864", 8, kAlu64}, {"1632", 16, kAlu}, {"1664", 16, kAlu64}, {"3264", 32, kAlu64}};
    for (const auto& row : kWidths)
      if (word.substr(5) == row.widths)
        return c.read(dst) && c.expect(",") && c.read(src) && c.expect_end() &&
               emit(
                   make_insn(static_cast<uint8_t>(row.cls | kMov | kX), dst.number, src.number, row.from, 0));
  }
  bool is_word = false;
  const Row* row = find(kAlus, without_width(word, is_word));
  if (!row) return known = false;
  const auto code = static_cast<uint8_t>((is_word ? kAlu : kAlu64) | row->op);
  if (!c.read(dst)) return false;
  if (row->op == kNeg) return c.expect_end() && emit(make_insn(code, dst.number, 0, 0, 0));
  if (!c.expect(",")) return false;
  const auto off = static_cast<int16_t>(row->is_signed);
  if (c.is_word())
    return c.read(src) && c.expect_end() &&
           emit(make_insn(static_cast<uint8_t>(code | kX), dst.number, src.number, off, 0));
  int64_t imm = 0;
  return c.read_field(imm, 32, true, "immediate") && c.expect_end() &&
         emit(make_insn(code, dst.number, 0, off, static_cast<int32_t>(imm)));
}

bool Assembler::ubpf_jump(Cursor& c, std::string_view word, bool& known) {
  bool is_word = false;
  const Row* row = find(kJumps, without_width(word, is_word));
  known = row;
  if (!row) return false;
  auto code = static_cast<uint8_t>((is_word ? kJmp32 : kJmp) | row->op);
  Register dst, src;
  int64_t imm = 0;
  if (!c.read(dst) || !c.expect(",")) return false;
  if (c.is_word()) {
    if (!c.read(src)) return false;
    code |= kX;
  } else if (!c.read_field(imm, 32, true, "immediate")) {
    return false;
  }
  return c.expect(",") && target(c, make_insn(code, dst.number, src.number, 0, static_cast<int32_t>(imm)));
}

// [r1+4]
bool Assembler::bracketed(Cursor& c, uint8_t& base, int64_t& offset) {
  Register reg;
  if (!c.is("["))
    return c.fail(
        c.at_end() ? "a place in memory is missing" : format("`{}` is no place in memory", c.peek().text),
        "a place looks like `[r1+4]`");
  c.next();
  if (!c.read(reg)) return false;
  base = reg.number;
  if ((c.is("+") || c.is("-")) && !c.read_field(offset, 16, false, "offset")) return false;
  return c.expect("]");
}

bool Assembler::ubpf_memory(Cursor& c, std::string_view word, bool& known) {
  constexpr struct {
    std::string_view start;
    uint8_t code;
  } kKinds[] = {{"ldxs", kLdx | kMemsx}, {"ldx", kLdx | kMem},        {"ldabs", kLd | kAbs},
                {"ldind", kLd | kInd},   {"stxxadd", kStx | kAtomic}, {"stx", kStx | kMem},
                {"st", kSt | kMem}};
  known = false;
  for (const auto& kind : kKinds) {
    const Row* size = word.starts_with(kind.start) ? find(kSizes, word.substr(kind.start.size())) : nullptr;
    if (!size) continue;
    const bool whole = size->op == kDw, atomic = (kind.code & 0xe0) == kAtomic;
    if (((kind.code & 0xe0) == kMemsx || (kind.code & 7) == kLd) && whole) continue;
    if (atomic && !whole && size->op != kW) continue;
    known = true;
    const auto code = static_cast<uint8_t>(kind.code | size->op);
    Register dst, src;
    uint8_t base = 0;
    int64_t offset = 0, imm = 0;
    switch (code & 7) {
      case kLdx:
        return c.read(dst) && c.expect(",") && bracketed(c, base, offset) && c.expect_end() &&
               emit(make_insn(code, dst.number, base, static_cast<int16_t>(offset), 0));
      case kLd:
        if ((code & 0xe0) == kInd && (!c.read(src) || !c.expect(","))) return false;
        return c.read_field(imm, 32, true, "offset") && c.expect_end() &&
               emit(make_insn(code, 0, src.number, 0, static_cast<int32_t>(imm)));
      case kStx:
        return bracketed(c, base, offset) && c.expect(",") && c.read(src) && c.expect_end() &&
               emit(make_insn(code, base, src.number, static_cast<int16_t>(offset), 0));
      default:
        return bracketed(c, base, offset) && c.expect(",") && c.read_field(imm, 32, true, "immediate") &&
               c.expect_end() &&
               emit(make_insn(code, base, 0, static_cast<int16_t>(offset), static_cast<int32_t>(imm)));
    }
  }
  return false;
}

// lock [fetch] add32 [r1+4], r2
bool Assembler::ubpf_lock(Cursor& c) {
  const Token first = c.peek();
  const bool fetch = c.accept("fetch");
  const Token word = c.peek();
  bool is_word = false;
  constexpr Row kOps[] = {{"add", kAdd},
                          {"or", kOr},
                          {"and", kAnd},
                          {"xor", kXor},
                          {"xchg", uint8_t(kXchg)},
                          {"cmpxchg", uint8_t(kCmpxchg)}};
  const Row* row = c.is_word() ? find(kOps, without_width(word.text, is_word)) : nullptr;
  if (!row)
    return c.fail_at(first.column,
                     first.kind == Token::Kind::kEnd ? std::string("`lock` needs an operation")
                                                     : format("`{}` is no atomic operation", word.text),
                     "`lock add [r1], r2`; or, and, xor, xchg, cmpxchg; `lock fetch add [r1], r2`");
  c.next();
  uint8_t base = 0;
  int64_t offset = 0;
  Register src;
  if (!bracketed(c, base, offset)) return false;
  if (c.at_end()) return c.fail("the operand of the atomic operation is missing", "`lock or [r1], r2`");
  if (!c.expect(",") || !c.read(src) || !c.expect_end()) return false;
  return emit(make_insn(static_cast<uint8_t>(kStx | kAtomic | (is_word ? kW : kDw)), base, src.number,
                        static_cast<int16_t>(offset), row->op | (fetch ? kFetch : 0)));
}

// call 5   call r2   call local name   call name
bool Assembler::ubpf_call(Cursor& c) {
  Register reg;
  if (c.is_register())
    return c.read(reg) && c.expect_end() && emit(make_insn(kCodeCallx, reg.number, 0, 0, 0));
  const bool local = c.is("local") && c.peek(1).kind != Token::Kind::kEnd;
  if (local) c.next();
  if (!c.is_word()) {
    int64_t imm = 0;
    return c.read_field(imm, 32, true, local ? "distance of the call" : "helper number") && c.expect_end() &&
           emit(make_insn(kCodeCall, 0, local ? kLocalCall : kHelperCall, 0, static_cast<int32_t>(imm)));
  }
  const Token name = c.next();
  wait_for(Fixup::Kind::kCall, name.text, c, name.column);
  return c.expect_end() && emit(make_insn(kCodeCall, 0, kLocalCall, 0, -1));
}

bool Assembler::ubpf_lddw(Cursor& c) {
  Register dst;
  Number number;
  if (!c.read(dst) || !c.expect(",")) return false;
  if (c.is_word()) {
    const Token name = c.next();
    wait_for(Fixup::Kind::kLoad, name.text, c, name.column);
    return c.expect_end() && emit_imm64(dst.number, kPlain, 0);
  }
  return c.read(number) && c.expect_end() && emit_imm64(dst.number, kPlain, number.bits());
}

}  // namespace epass::bpf
