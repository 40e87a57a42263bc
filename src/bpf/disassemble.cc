// The disassembler.

#include "bpf/disassemble.h"

#include "base/format.h"
#include "bpf/contracts.h"
#include "bpf/fields.h"

namespace epass::bpf {

namespace {

// How numbers and calls are written: for people, or as LLVM does.
enum class Style : uint8_t { kPlain, kLlvm };

std::string reg(int number, bool wide) { return format("{}{}", wide ? 'r' : 'w', number); }

std::string number(int64_t value, Style style) {
  if (style == Style::kPlain) return std::to_string(value);
  return value < 0 ? format("-{:#x}", 0 - uint64_t(value)) : format("{:#x}", value);
}

// "+3", "-0x4".
std::string distance_text(int64_t distance, Style style) {
  return (distance < 0 ? "" : "+") + number(distance, style);
}

// "r1 + 4", "r10 - 8".
std::string address(int base, int64_t offset, Style style) {
  return format("r{} {} {}", base, offset < 0 ? '-' : '+', number(offset < 0 ? -offset : offset, style));
}

std::string_view size_name(uint8_t code, bool is_signed) {
  switch (code & 0x18) {
    case kB: return is_signed ? "s8" : "u8";
    case kH: return is_signed ? "s16" : "u16";
    case kW: return is_signed ? "s32" : "u32";
    default: return is_signed ? "s64" : "u64";
  }
}

std::string memory(Insn insn, int base, Style style, bool is_signed = false) {
  return format("*({} *)({})", size_name(insn.code, is_signed), address(base, insn.off, style));
}

std::string unknown(Insn insn) {
  uint64_t record = 0;
  static_assert(sizeof record == sizeof insn);
  std::memcpy(&record, &insn, sizeof record);
  return format(".8byte {:#018x}", record);
}

std::string_view alu_operator(uint8_t op) {
  switch (op) {
    case kAdd: return "+=";
    case kSub: return "-=";
    case kMul: return "*=";
    case kDiv: return "/=";
    case kOr: return "|=";
    case kAnd: return "&=";
    case kLsh: return "<<=";
    case kRsh: return ">>=";
    case kMod: return "%=";
    case kXor: return "^=";
    case kArsh: return "s>>=";
    default: return "";
  }
}

std::string alu(Insn insn, Style style) {
  const bool wide = insn.cls() == kAlu64;
  const uint8_t op = insn.code & 0xf0;
  const std::string dst = reg(insn.dst(), wide);
  if (op == kEnd) {
    if (insn.imm != 16 && insn.imm != 32 && insn.imm != 64) return unknown(insn);
    const char* order = wide ? "bswap" : insn.code & kX ? "be" : "le";
    return format("r{0} = {1}{2} r{0}", insn.dst(), order, insn.imm);
  }
  if (op == kNeg) return format("{0} = -{0}", dst);
  const std::string src = insn.code & kX ? reg(insn.src(), wide) : number(insn.imm, style);
  if (op == kMov) {
    if (insn.off == 0) return dst + " = " + src;
    if (insn.off == 1 && wide && insn.code & kX)
      return format("{} = addr_space_cast({}, {}, {})", dst, src, number(uint32_t(insn.imm) >> 16, style),
                    number(insn.imm & 0xffff, style));
    if ((insn.off != 8 && insn.off != 16 && insn.off != 32) || !(insn.code & kX)) return unknown(insn);
    return format("{} = (s{}){}", dst, insn.off, src);
  }
  const std::string_view text = alu_operator(op);
  if (text.empty()) return unknown(insn);
  const bool is_signed = (op == kDiv || op == kMod) && insn.off == 1;
  return format("{} {}{} {}", dst, is_signed ? "s" : "", text, src);
}

std::string_view comparison(uint8_t op) {
  switch (op) {
    case kJeq: return "==";
    case kJgt: return ">";
    case kJge: return ">=";
    case kJset: return "&";
    case kJne: return "!=";
    case kJsgt: return "s>";
    case kJsge: return "s>=";
    case kJlt: return "<";
    case kJle: return "<=";
    case kJslt: return "s<";
    case kJsle: return "s<=";
    default: return "";
  }
}

std::string call(Insn insn, const Symbol* symbol, Style style) {
  if (style == Style::kLlvm) return "call " + number(insn.imm, style);
  if (insn.src() == kHelperCall) {
    if (symbol) return "call " + symbol->name;
    const HelperContract* known = helper(insn.imm);
    return known ? format("call {}#{}", known->name, insn.imm) : format("call helper#{}", insn.imm);
  }
  if (insn.src() == kKfuncCall)
    return symbol ? "call kfunc " + symbol->name : format("call kfunc#{}", insn.imm);
  if (insn.src() != kLocalCall) return unknown(insn);
  return symbol ? "call " + symbol->name : format("call pc{:+}", insn.imm);
}

std::string jump(Insn insn, const Symbol* symbol, std::string_view target, Style style) {
  const bool wide = insn.cls() == kJmp;
  if (insn.code == kCodeExit) return "exit";
  if (insn.code == kCodeCall) return call(insn, symbol, style);
  if (insn.code == kCodeCallx) return format("callx r{}", insn.dst());
  if (insn.code == kCodeGotox) return format("gotox r{}", insn.dst());
  const int64_t distance = insn.code == kCodeGotol ? int64_t(insn.imm) : int64_t(insn.off);
  std::string to(target);
  if (to.empty()) to = (style == Style::kPlain ? "pc" : "") + distance_text(distance, style);
  if (insn.code == kCodeJa) return "goto " + to;
  if (insn.code == kCodeGotol) return "gotol " + to;
  if (insn.code == kCodeMayGoto) return "may_goto " + to;
  const std::string_view text = comparison(insn.code & 0xf0);
  if (text.empty()) return unknown(insn);
  const std::string src = insn.code & kX ? reg(insn.src(), wide) : number(insn.imm, style);
  return format("if {} {} {} goto {}", reg(insn.dst(), wide), text, src, to);
}

std::string_view symbol_word(Symbol::Kind kind) {
  using enum Symbol::Kind;
  switch (kind) {
    case kMap: return "map ";
    case kData: return "data ";
    case kFunc: return "func ";
    case kKfunc: return "kfunc ";
    case kKsym: return "ksym ";
    case kJumpTable: return "jumptable ";
    case kOther: break;
  }
  return "symbol ";
}

std::string load_imm64(std::span<const Insn> insns, uint32_t index, const Symbol* symbol, Style style) {
  const Insn insn = insns[index];
  if (index + 1 >= insns.size()) return unknown(insn);
  const uint64_t value = imm64(insn, insns[index + 1]);
  if (style == Style::kLlvm) return format("r{} = {} ll", insn.dst(), number(int64_t(value), style));
  if (!symbol) {
    if (insn.src() == kPlain) return format("r{} = {:#x} ll", insn.dst(), value);
    static constexpr std::string_view kWords[] = {"",     "map_fd",  "map_value",    "btf_id",
                                                  "func", "map_idx", "map_idx_value"};
    const std::string word =
        insn.src() < std::size(kWords) ? std::string(kWords[insn.src()]) : format("pseudo{}", insn.src());
    return format("r{} = {}#{:#x} ll", insn.dst(), word, value);
  }
  // Names of flat bytecode tell the kind themselves: `map#6`.
  const bool is_numbered = symbol->name.find('#') != std::string::npos;
  std::string name = is_numbered ? symbol->name : std::string(symbol_word(symbol->kind)) + symbol->name;
  const int64_t addend = is_numbered ? insns[index + 1].imm : insn.imm;
  const bool has_addend = symbol->kind == Symbol::Kind::kData || symbol->kind == Symbol::Kind::kOther;
  if (has_addend && addend) name += format("{:+}", addend);
  return format("r{} = {} ll", insn.dst(), name);
}

std::string atomic(Insn insn, Style style) {
  const bool wide = (insn.code & 0x18) == kDw;
  const std::string place = address(insn.dst(), insn.off, style), src = reg(insn.src(), wide);
  const std::string_view bits = wide                    ? "64"
                                : style == Style::kLlvm ? "32_32"
                                                        : "32",
                         infix = style == Style::kLlvm && !wide ? "" : "_";
  const std::string_view type = size_name(insn.code, false);
  switch (insn.imm) {
    case kXchg: return format("{} = xchg{}{}({}, {})", src, infix, bits, place, src);
    case kCmpxchg: return format("{0} = cmpxchg{1}{2}({3}, {0}, {4})", reg(0, wide), infix, bits, place, src);
    case kLoadAcq:
      return format("{} = load_acquire(({} *)({}))", reg(insn.dst(), wide), type,
                    address(insn.src(), insn.off, style));
    case kStoreRel: return format("store_release(({} *)({}), {})", type, place, src);
    default: break;
  }
  std::string_view word;
  switch (insn.imm & ~kFetch) {
    case kAdd: word = "add"; break;
    case kOr: word = "or"; break;
    case kAnd: word = "and"; break;
    case kXor: word = "xor"; break;
    default: return unknown(insn);
  }
  if (insn.imm & kFetch) return format("{0} = atomic_fetch_{1}(({2} *)({3}), {0})", src, word, type, place);
  // LLVM knows this one from before there were 32-bit registers.
  const bool old_name = style == Style::kLlvm && insn.imm == kAdd;
  return format("lock *({} *)({}) {} {}", type, place, alu_operator(static_cast<uint8_t>(insn.imm)),
                old_name ? reg(insn.src(), true) : src);
}

std::string load(Insn insn, Style style) {
  const uint8_t mode = insn.code & 0xe0;
  if (mode != kMem && mode != kMemsx) return unknown(insn);
  return format("r{} = {}", insn.dst(), memory(insn, insn.src(), style, mode == kMemsx));
}

// The packet loads of classic BPF.
std::string load_packet(Insn insn, Style style) {
  const std::string_view size = size_name(insn.code, false);
  const uint8_t mode = insn.code & 0xe0;
  if (mode == kAbs) return format("r0 = *({} *)skb[{}]", size, number(insn.imm, style));
  if (mode != kInd) return unknown(insn);
  return insn.imm ? format("r0 = *({} *)skb[{}]", size, address(insn.src(), insn.imm, style))
                  : format("r0 = *({} *)skb[r{}]", size, insn.src());
}

std::string text_of(std::span<const Insn> insns, uint32_t index, const Symbol* symbol,
                    std::string_view target, Style style) {
  const Insn insn = insns[index];
  switch (insn.cls()) {
    case kAlu:
    case kAlu64: return alu(insn, style);
    case kJmp:
    case kJmp32: return jump(insn, symbol, target, style);
    case kLd: return is_ld_imm64(insn) ? load_imm64(insns, index, symbol, style) : load_packet(insn, style);
    case kLdx: return load(insn, style);
    case kSt:
      if ((insn.code & 0xe0) != kMem) return unknown(insn);
      return format("{} = {}", memory(insn, insn.dst(), style), number(insn.imm, style));
    default:
      if ((insn.code & 0xe0) == kAtomic) return atomic(insn, style);
      if ((insn.code & 0xe0) != kMem) return unknown(insn);
      return format("{} = r{}", memory(insn, insn.dst(), style), insn.src());
  }
}

}  // namespace

std::string disassemble(std::span<const Insn> insns, uint32_t index, const Symbol* symbol,
                        std::string_view target) {
  return text_of(insns, index, symbol, target, Style::kPlain);
}

std::string disassemble_llvm(std::span<const Insn> insns, uint32_t index) {
  if (!field_fault(insns, index).empty()) return "<unknown>";
  return text_of(insns, index, nullptr, {}, Style::kLlvm);
}

}  // namespace epass::bpf
