// Prints the `.epir` text: values and blocks are numbered as they appear, so that equal functions have equal
// texts.

#include <vector>

#include "base/format.h"
#include "bpf/contracts.h"
#include "ir/in_place.h"
#include "ir/text.h"

namespace epass {

std::string quoted_name(std::string_view name) {
  auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '$';
  };
  bool plain = !name.empty() && !(name[0] >= '0' && name[0] <= '9');
  for (char c : name) plain = plain && is_plain(c);
  if (plain) return std::string(name);
  std::string text = "\"";
  for (char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      text.append(1, '\\').append(1, c);
    else if (byte < 0x20 || byte == 0x7f)
      text += format("\\x{:02x}", byte);
    else
      text += c;
  }
  return text + "\"";
}

std::string number_text(int64_t number) {
  if (number > -65536 && number < 65536) return std::to_string(number);
  return format("{:#x}", static_cast<uint64_t>(number));
}

namespace {

constexpr size_t kOriginColumn = 47;

std::string_view size_text(MemSize size) {
  constexpr std::string_view kNames[] = {"u8", "u16", "u32", "u64", "s8", "s16", "s32"};
  return kNames[static_cast<size_t>(size)];
}

std::string offset_text(int64_t offset) {
  return offset < 0 ? format("-{}", -offset) : format("+{}", offset);
}

std::string addend_text(int64_t imm) {
  if (imm == 0) return "";
  const std::string text = number_text(imm);
  return text.starts_with('-') ? text : "+" + text;
}

std::string home_text(Home home) {
  return home.is_reg() ? format("r{}", home.code) : format("fp-{}", -int(home.code));
}

class Printer {
 public:
  Printer(const Function& fn, const Symbols& symbols, PrintOptions options)
      : fn_(fn), symbols_(symbols), options_(options), in_place_(find_in_place(fn)) {
    number_everything();
  }

  std::string text() {
    out_ = format("function {} {} {}", quoted_name(fn_.name), fn_.type.empty() ? "-" : quoted_name(fn_.type),
                  "\"" + inside_quotes(fn_.section) + "\"");
    if (fn_.is_entry) out_ += " entry";
    if (fn_.is_global) out_ += " global";
    if (fn_.returns_void) out_ += " void";
    out_ += " {\n";
    for (uint32_t s = 0; s < fn_.slots.size(); ++s) {
      const SlotData& slot = fn_.slots[Slot{s}];
      out_ += format("  slot s{} {}", s, slot.size) +
              (slot.place ? format(" at fp-{}\n", -int(slot.place)) : " any\n");
    }
    for (const bpf::Inlined& from : fn_.inlined)
      out_ += format("  origins {} function {} size {} copies {}\n", from.begin, from.function.index,
                     from.size, from.copies);
    for (Block b : fn_.all_blocks()) block(b);
    out_ += "}\n";
    return std::move(out_);
  }

 private:
  static std::string inside_quotes(const std::string& name) {
    std::string text = quoted_name(name);
    return text.starts_with('"') ? text.substr(1, text.size() - 2) : text;
  }

  void number_everything() {
    uint32_t blocks = 0, values = 0;
    for (Block b : fn_.all_blocks()) {
      block_number_.at(b) = blocks++;
      for (Value v : fn_.params(b)) value_number_.at(v) = values++;
      for (Inst i : fn_.insts_of(b))
        if (fn_.insts[i].result && !in_place_[i]) value_number_.at(fn_.insts[i].result) = values++;
    }
  }

  std::string name(Value v) const { return defined_name(fn_.resolve(v)); }
  // Where it is made, a value stands for itself even if it has been replaced.
  std::string defined_name(Value v) const { return format("v{}", value_number_[v]); }

  void block(Block b) {
    std::string text = format("b{}", block_number_[b]);
    auto params = fn_.params(b);
    for (size_t n = 0; n < params.size(); ++n) {
      text += (n ? ", " : "(") + defined_name(params[n]);
      if (fn_.home(params[n])) text += ":" + home_text(fn_.home(params[n]));
    }
    if (!params.empty()) text += ")";
    if (fn_.blocks[b].table_target != kNoOrigin) text += format(" target({})", fn_.blocks[b].table_target);
    out_ += text + ":\n";
    for (Inst i : fn_.insts_of(b))
      if (!in_place_[i]) inst(i);
  }

  // `s0+4`: what the address is, from the slot's lowest byte.
  std::string operand(Inst i, uint32_t n) const {
    const Value v = fn_.operand(i, n);
    const Inst def = fn_.def(v);
    const bool is_base =
        n == 0 && (info(fn_.insts[i].op).fields & kOffset) && fn_.insts[i].op != Opcode::CallKfunc;
    const int64_t offset = is_base ? fn_.insts[i].offset : 0;
    if (!def || !in_place_[def]) return name(v) + (is_base ? offset_text(offset) : "");
    const InstData& d = fn_.insts[def];
    if (d.op == Opcode::SlotAddr) return format("s{}{}", d.slot.index, offset_text(d.imm + offset));
    return number_text(d.imm);
  }

  std::string symbol(bpf::SymbolId id) const { return quoted_name(symbols_[id].name); }

  // What a call calls.
  std::string callee(const InstData& d) const {
    if (d.op == Opcode::CallHelper) {
      const bpf::HelperContract* known = bpf::helper(static_cast<int32_t>(d.imm));
      return format("{}#{}", known ? known->name : "", d.imm);
    }
    if (d.op == Opcode::CallX) return "";
    return (d.op == Opcode::CallKfunc ? "kfunc " : "func ") + symbol(d.symbol);
  }

  void inst(Inst i) {
    const InstData& d = fn_.insts[i];
    const OpcodeInfo& op = info(d.op);
    std::string text = "  ";
    if (d.result) text += defined_name(d.result) + " = ";
    text += is_call(d.op) && d.op != Opcode::CallX ? "call" : op.mnemonic;
    if ((op.fields & kWidth) && d.width == Width::k32) text += ".32";
    if (op.fields & kSize) text.append(".").append(size_text(d.size));
    if (d.op == Opcode::Const && d.form == Form::kMov32) text += ".mov32";
    if (d.op == Opcode::Const && d.form == Form::kLdImm64) text += ".imm64";
    std::vector<std::string> parts;
    for (uint32_t n = 0; n < d.operand_count; ++n) parts.push_back(operand(i, n));
    if (is_call(d.op)) {
      text += (d.op == Opcode::CallX ? "" : " " + callee(d)) + "(";
      for (size_t n = 0; n < parts.size(); ++n) text += (n ? ", " : "") + parts[n];
      text += ")";
      if (d.op != Opcode::CallHelper && d.imm) text += format(" imm({})", number_text(d.imm));
      if (d.op == Opcode::CallKfunc && d.offset) text += format(" off({})", d.offset);
    } else {
      if (d.op == Opcode::Symbol) parts.push_back(symbol(d.symbol) + addend_text(d.imm));
      if (d.op == Opcode::SlotAddr) parts.push_back(format("s{}{}", d.slot.index, offset_text(d.imm)));
      if ((op.fields & kImm) && d.op != Opcode::Symbol && d.op != Opcode::SlotAddr)
        parts.push_back(number_text(d.imm));
      for (uint32_t n = 0; n < d.edge_count; ++n) parts.push_back(edge(fn_.edge(i, n)));
      for (size_t n = 0; n < parts.size(); ++n) text += (n ? ", " : " ") + parts[n];
      if (d.op == Opcode::Symbol && d.pseudo) text += format(" pseudo({})", d.pseudo);
    }
    if (d.core != kNoCore) text += format(" core({})", d.core);
    const Home home = d.result ? fn_.home(d.result) : Home{};
    if (options_.origins && (d.origin != kNoOrigin || home)) {
      text.resize(std::max(text.size() + 1, kOriginColumn), ' ');
      text += "@" + (d.origin == kNoOrigin ? "-" : std::to_string(d.origin));
      if (home) text += ":" + home_text(home);
    }
    out_ += text + "\n";
  }

  std::string edge(Edge e) const {
    std::string text = format("b{}", block_number_[fn_.edges[e].to]);
    auto args = fn_.args(e);
    for (size_t n = 0; n < args.size(); ++n) text += (n ? ", " : "(") + name(args[n]);
    return args.empty() ? text : text + ")";
  }

  const Function& fn_;
  const Symbols& symbols_;
  PrintOptions options_;
  SideTable<Inst, uint8_t> in_place_;
  SideTable<Value, uint32_t> value_number_;
  SideTable<Block, uint32_t> block_number_;
  std::string out_;
};

std::string declaration(const bpf::Symbol& s) {
  constexpr std::string_view kWords[] = {"map", "data", "func", "kfunc", "ksym", "table", "other"};
  std::string text = format("{} {}", kWords[static_cast<size_t>(s.kind)], quoted_name(s.name));
  if (s.signature) text += format(" args={} void={}", s.signature->args, int(s.signature->returns_void));
  if (s.map_type) text += format(" type={}", s.map_type);
  if (s.weak) text += " weak=1";
  if (s.external != UINT32_MAX) text += format(" external={}", s.external);
  for (uint32_t target : s.targets) text += format(" target={}", target);
  return text + "\n";
}

}  // namespace

// A constant or a slot's address is shown inside its only user if it was that instruction's immediate or
// base.
SideTable<Inst, uint8_t> find_in_place(const Function& fn) {
  SideTable<Value, uint32_t> uses(fn.values.size(), 0);
  for (Block b : fn.all_blocks())
    for (Inst i : fn.insts_of(b)) {
      for (Value v : fn.operands(i)) ++uses.at(fn.resolve(v));
      for (uint32_t n = 0; n < fn.insts[i].edge_count; ++n)
        for (Value v : fn.args(fn.edge(i, n))) ++uses.at(fn.resolve(v));
    }
  SideTable<Inst, uint8_t> in_place(fn.insts.size(), 0);
  for (Block b : fn.all_blocks())
    for (Inst i : fn.insts_of(b)) {
      const InstData& user = fn.insts[i];
      Inst at = user.prev;
      for (uint32_t n = user.operand_count; n-- > 0 && at;) {
        const Value v = fn.operand(i, n);
        const InstData& d = fn.insts[at];
        if (fn.values[v].inst != at || uses[v] != 1 || fn.home(v) || d.origin != user.origin ||
            d.core != kNoCore)
          continue;
        const bool is_base = n == 0 && (info(user.op).fields & kOffset) && user.op != Opcode::CallKfunc;
        if (d.op == Opcode::Const
                ? is_base || d.form != Form::kNatural
                : d.op != Opcode::SlotAddr || (is_base && d.imm != slot_base_imm(fn.slots[d.slot])))
          continue;
        in_place.at(at) = 1;
        at = d.prev;
      }
    }
  return in_place;
}

std::string print(const Function& fn, const Symbols& symbols, PrintOptions options) {
  return Printer(fn, symbols, options).text();
}

std::string print(const Module& module, PrintOptions options) {
  std::vector<uint8_t> used(module.symbols.size(), 0);
  for (const Function& fn : module.functions)
    for (Block b : fn.all_blocks())
      for (Inst i : fn.insts_of(b))
        if (fn.insts[i].symbol) used[fn.insts[i].symbol.index] = 1;
  std::string text = "epir 1\n";
  for (uint32_t s = 0; s < module.symbols.size(); ++s)
    if (used[s]) text += declaration(module.symbols[bpf::SymbolId{s}]);
  for (const Function& fn : module.functions) text += print(fn, module.symbols, options);
  return text;
}

std::string operation_name(const InstData& data) {
  std::string text(info(data.op).mnemonic);
  if (data.op == Opcode::Const && data.form == Form::kLdImm64) text += ".imm64";
  if (data.width == Width::k32) text += ".32";
  return text;
}

}  // namespace epass
