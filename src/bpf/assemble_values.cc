// The right sides of assignments in LLVM's syntax: `r1 = ...`.

#include <algorithm>

#include "base/format.h"
#include "bpf/assembler.h"

namespace epass::bpf {

namespace {

// What our own disassembler calls the kinds of 64-bit constants that are no plain numbers.
constexpr std::string_view kPseudoWords[] = {"",     "map_fd",  "map_value",    "btf_id",
                                             "func", "map_idx", "map_idx_value"};
// Words that `epass print` puts before the name of a symbol.
constexpr std::string_view kSymbolWords[] = {"map", "data", "func", "kfunc", "ksym", "jumptable", "symbol"};

}  // namespace

bool Assembler::value(Cursor& c, Register dst) {
  const uint8_t cls = dst.is_word ? kAlu : kAlu64;
  if (c.is("*")) return load(c, dst);
  if (c.is("(")) return cast(c, dst);
  if (c.is("-") && c.is_register(1)) {
    c.next();
    const Token place = c.peek();
    Register src;
    if (!c.read(src)) return false;
    if (src.number != dst.number || src.is_word != dst.is_word)
      return c.fail_at(place.column, "a register can only be negated in place", "`r1 = r2`, then `r1 = -r1`");
    return c.expect_end() && emit(make_insn(static_cast<uint8_t>(cls | kNeg), dst.number, 0, 0, 0));
  }
  if (c.is_register()) {
    const Token place = c.peek();
    Register src;
    if (!c.read(src)) return false;
    // `r1 = w2` is how LLVM's compiler writes the move that clears the upper half.
    if (dst.is_word && !src.is_word)
      return c.fail_at(place.column, "a 32-bit register takes a 32-bit one", format("`w{}`", src.number));
    const uint8_t code = static_cast<uint8_t>((src.is_word ? kAlu : kAlu64) | kMov | kX);
    return c.expect_end() && emit(make_insn(code, dst.number, src.number, 0, 0));
  }
  if (c.is_number() || c.is("-") || c.is("+")) return number_value(c, dst);
  if (c.is_word()) return word_value(c, dst);
  return c.fail("a value belongs behind `=`");
}

// r1 = 5   r1 = 5 ll
bool Assembler::number_value(Cursor& c, Register dst) {
  Number number;
  if (!c.read(number)) return false;
  if (c.accept("ll") || kernel_imm64_) {
    if (dst.is_word) return c.fail("a 32-bit register has no room for 64 bits");
    return c.expect_end() && emit_imm64(dst.number, kPlain, number.bits());
  }
  int64_t imm = 0;
  if (!c.fit(number, imm, 32, true, "immediate") || !c.expect_end()) return false;
  const auto code = static_cast<uint8_t>((dst.is_word ? kAlu : kAlu64) | kMov);
  return emit(make_insn(code, dst.number, 0, 0, static_cast<int32_t>(imm)));
}

bool Assembler::word_value(Cursor& c, Register dst) {
  const Token word = c.peek();
  const std::string_view text = word.text;
  for (std::string_view order : {"be", "le", "bswap"}) {
    if (!text.starts_with(order) || !c.is_register(1)) continue;
    const std::string_view bits = text.substr(order.size());
    if (bits != "16" && bits != "32" && bits != "64") break;
    c.next();
    Register src;
    if (!c.read(src)) return false;
    if (src.number != dst.number) return c.fail("bytes can only be swapped in place", "`r1 = be16 r1`");
    const auto code =
        static_cast<uint8_t>(kEnd | (order == "bswap" ? kAlu64 : kAlu) | (order == "be" ? kX : kK));
    return c.expect_end() && emit(make_insn(code, dst.number, 0, 0,
                                            bits == "16"   ? 16
                                            : bits == "32" ? 32
                                                           : 64));
  }
  if (c.is("(", 1)) {
    c.next();
    return exchange(c, dst, text);
  }
  return symbol_value(c, dst);
}

// r1 = addr_space_cast(r2, 0, 1)   r1 = load_acquire((u64 *)(r2 + 0))   and the atomics that fetch
bool Assembler::exchange(Cursor& c, Register dst, std::string_view word) {
  const uint32_t column = c.peek().column;
  c.expect("(");
  uint8_t size = 0, base = 0;
  bool is_signed = false;
  int64_t offset = 0;
  if (word == "addr_space_cast") {
    Register src;
    int64_t to = 0, from = 0;
    if (!c.read(src) || !c.expect(",") || !c.read_field(to, 16, true, "address space") || !c.expect(",") ||
        !c.read_field(from, 16, true, "address space") || !c.expect(")") || !c.expect_end())
      return false;
    const uint32_t imm = uint32_t(uint16_t(to)) << 16 | uint16_t(from);
    return emit(make_insn(kAlu64 | kMov | kX, dst.number, src.number, 1, static_cast<int32_t>(imm)));
  }
  if (word == "load_acquire") {
    if (!typed_place(c, size, is_signed, base, offset) || !c.expect(")") || !c.expect_end()) return false;
    return emit(make_insn(static_cast<uint8_t>(kStx | kAtomic | size), dst.number, base,
                          static_cast<int16_t>(offset), kLoadAcq));
  }
  int32_t op = -1;
  constexpr struct {
    std::string_view word;
    int32_t op;
  } kWords[] = {
      {"fetch_add", int(kAdd) | kFetch}, {"fetch_or", int(kOr) | kFetch}, {"fetch_and", int(kAnd) | kFetch},
      {"fetch_xor", int(kXor) | kFetch}, {"cmpxchg", kCmpxchg},           {"xchg", kXchg}};
  for (const auto& row : kWords)
    if (op < 0 && word.find(row.word) != word.npos) op = row.op;
  if (op < 0)
    return c.fail_at(column, format("`{}` is no operation", word),
                     "atomic_fetch_add, xchg_64, cmpxchg_64, load_acquire, addr_space_cast");
  // The type of memory stands there (the kernel's form, and atomic_fetch_*) or in the operation's name.
  if (c.is("(")) {
    if (!typed_place(c, size, is_signed, base, offset)) return false;
  } else {
    size = word.find("32") != word.npos ? kW : kDw;
    if (!place(c, base, offset)) return false;
  }
  if (size != kW && size != kDw) return c.fail("atomic operations have 32 or 64 bits");
  Register expected, src;
  if (!c.expect(",")) return false;
  if (op == kCmpxchg) {
    if (dst.number != 0) return c.fail_at(1, "a compare-and-exchange gives its result in r0");
    if (!c.read(expected) || !c.expect(",")) return false;
    if (expected.number != 0) return c.fail("a compare-and-exchange compares with r0");
  }
  if (!c.read(src)) return false;
  if (op != kCmpxchg && src.number != dst.number)
    return c.fail("the old value goes into the register that held the new one", format("`r{}`", src.number));
  return c.expect(")") && c.expect_end() &&
         emit(make_insn(static_cast<uint8_t>(kStx | kAtomic | size), base, src.number,
                        static_cast<int16_t>(offset), op));
}

// r1 = name ll   r1 = name+8 ll   r1 = map name ll   r1 = map_fd#5 ll
bool Assembler::symbol_value(Cursor& c, Register dst) {
  Token name = c.next();
  if (dst.is_word) return c.fail_at(name.column, "addresses have 64 bits", "use the `r` register");
  const auto* pseudo = std::ranges::find(kPseudoWords, name.text);
  const bool numbered = pseudo != std::end(kPseudoWords) || name.text == "map";
  if (numbered && c.accept("#")) {
    Number number;
    if (!c.read(number)) return false;
    c.accept("ll");
    uint8_t src = kMapFd;
    if (name.text != "map") src = static_cast<uint8_t>(pseudo - std::begin(kPseudoWords));
    return c.expect_end() && emit_imm64(dst.number, src, number.bits());
  }
  if (std::ranges::count(kSymbolWords, name.text) && c.is_word() && !c.is("ll")) name = c.next();
  int64_t addend = 0;
  if ((c.is("+") || c.is("-")) && !c.read_field(addend, 32, true, "addend")) return false;
  if (!c.accept("ll"))
    return c.fail_at(name.column, format("`{}` is no value", name.text),
                     "the address of a symbol is `r1 = name ll`");
  wait_for(Fixup::Kind::kLoad, name.text, c, name.column, addend);
  return c.expect_end() && emit_imm64(dst.number, kPlain, static_cast<uint32_t>(addend));
}

// r1 = (s8)r2
bool Assembler::cast(Cursor& c, Register dst) {
  c.expect("(");
  const Token type = c.next();
  const int bits = type.text == "s8" ? 8 : type.text == "s16" ? 16 : type.text == "s32" ? 32 : 0;
  if (!bits) return c.fail_at(type.column, format("`{}` is no sign extension", type.text), "s8, s16, s32");
  if (bits == 32 && dst.is_word)
    return c.fail_at(type.column, "32 bits need no extension to 32 bits", "`w1 = w2`");
  Register src;
  if (!c.expect(")") || !c.read(src) || !c.expect_end()) return false;
  const auto code = static_cast<uint8_t>((dst.is_word ? kAlu : kAlu64) | kMov | kX);
  return emit(make_insn(code, dst.number, src.number, static_cast<int16_t>(bits), 0));
}

// r1 = *(u32 *)(r2 + 4)   r0 = *(u8 *)skb[r1 + 2]
bool Assembler::load(Cursor& c, Register dst) {
  uint8_t size = 0, base = 0;
  bool is_signed = false;
  int64_t offset = 0;
  c.expect("*");
  if (c.is("(") && c.is("skb", 4)) {
    const Token type = c.peek(1);
    if (type.text == "u8")
      size = kB;
    else
      size = type.text == "u16" ? uint8_t{kH} : uint8_t{kW};
    if (type.text != "u8" && type.text != "u16" && type.text != "u32")
      return c.fail_at(type.column, "packet loads have 8, 16 or 32 bits", "u8, u16, u32");
    c.next(), c.next();
    if (dst.number != 0) return c.fail_at(1, "packet loads give their result in r0");
    if (!c.expect("*") || !c.expect(")") || !c.expect("skb") || !c.expect("[")) return false;
    Register index;
    const bool indirect = c.is_register();
    if (indirect && !c.read(index)) return false;
    if ((!indirect || c.is("+") || c.is("-")) && !c.read_field(offset, 32, true, "offset")) return false;
    const auto code = static_cast<uint8_t>(kLd | (indirect ? kInd : kAbs) | size);
    return c.expect("]") && c.expect_end() &&
           emit(make_insn(code, 0, index.number, 0, static_cast<int32_t>(offset)));
  }
  if (!typed_place(c, size, is_signed, base, offset) || !c.expect_end()) return false;
  if (is_signed && size == kDw) return c.fail("64 bits need no sign extension", "u64");
  const auto code = static_cast<uint8_t>(kLdx | (is_signed ? kMemsx : kMem) | size);
  return emit(make_insn(code, dst.number, base, static_cast<int16_t>(offset), 0));
}

}  // namespace epass::bpf
