// Writes the text form. Values and blocks are numbered in layout order, so the text does not depend on how
// the function was made.

#include <map>
#include <set>

#include "base/format.h"
#include "bpf/contracts.h"
#include "ir/text.h"

namespace epass {
namespace {

bool is_plain(std::string_view name) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.$";
  return !name.empty() && name.find_first_not_of(kPlain) == name.npos && !(name[0] >= '0' && name[0] <= '9');
}

std::string quoted(std::string_view name) {
  if (is_plain(name)) return std::string(name);
  std::string out = "\"";
  for (char c : name) {
    if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < 32)
      out += format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out + "\"";
}

std::string number(int64_t n) {
  if (n > -65536 && n < 65536) return std::to_string(n);
  return format("{:#x}", uint64_t(n));
}

std::string signed_offset(int64_t n) { return n < 0 ? std::to_string(n) : "+" + std::to_string(n); }

std::string home_text(Home home) {
  if (home.is_reg()) return format(":r{}", home.code);
  return home.is_stack() ? format(":fp{}", home.code) : "";
}

// A name for each symbol, made unique.
class SymbolNames {
 public:
  explicit SymbolNames(const Symbols& symbols) {
    std::set<std::string> taken;
    for (uint32_t n = 0; n < symbols.size(); ++n) {
      std::string name = symbols[bpf::SymbolId{n}].name, unique = name;
      for (int k = 2; !taken.insert(unique).second; ++k) unique = format("{}~{}", name, k);
      names_.push_back(quoted(unique));
    }
  }
  const std::string& operator[](bpf::SymbolId id) const { return names_[id.index]; }

 private:
  std::vector<std::string> names_;
};

class Printer {
 public:
  Printer(const Function& fn, const SymbolNames& names, PrintOptions options)
      : fn_(fn), names_(names), options_(options) {}

  std::string run() {
    uint32_t block = 0, value = 0;
    for (Block b : fn_.all_blocks()) {
      blocks_.at(b) = block++;
      for (Value p : fn_.params(b)) values_.at(p) = value++;
      for (Inst i : fn_.insts_of(b)) find_in_place(i);
      for (Inst i : fn_.insts_of(b))
        if (fn_.insts[i].result && !in_place_[i]) values_.at(fn_.insts[i].result) = value++;
    }
    std::string out =
        format("function {} {} {}{}{}{} {{\n", quoted(fn_.name), fn_.type.empty() ? "-" : quoted(fn_.type),
               quoted(fn_.section), fn_.is_entry ? " entry" : "", fn_.is_global ? " global" : "",
               fn_.returns_void ? " void" : "");
    for (uint32_t n = 0; n < fn_.slots.size(); ++n) {
      const SlotData& s = fn_.slots[Slot{n}];
      out += format("  slot s{} {} {}\n", n, s.size,
                    s.place ? "at fp" + std::to_string(s.place) : std::string("any"));
    }
    for (Block b : fn_.all_blocks()) print_block(b, out);
    return out + "}\n";
  }

 private:
  // Constants and slot addresses that are printed inside their only user.
  void find_in_place(Inst i) {
    if (!counted_) {
      counted_ = true;
      for (Block b : fn_.all_blocks())
        for (Inst k : fn_.insts_of(b)) {
          for (Value v : fn_.operands(k)) ++uses_.at(fn_.resolve(v));
          for (uint32_t n = 0; n < fn_.insts[k].edge_count; ++n)
            for (Value v : fn_.args(fn_.edge(k, n))) uses_.at(fn_.resolve(v)) += 2;
        }
    }
    const InstData& d = fn_.insts[i];
    Inst before = d.prev;
    for (size_t n = d.operand_count; n-- > 0 && before;) {
      Value v = fn_.operand(i, n);
      const InstData& c = fn_.insts[before];
      if (fn_.def(v) != before || uses_[v] != 1 || fn_.home(v) || c.origin != d.origin) continue;
      bool constant = c.op == Opcode::Const && c.form == Form::kNatural && c.core == kNoCore;
      bool address = c.op == Opcode::SlotAddr && n == 0 && info(d.op).fields & kOffset && !is_call(d.op);
      if (!constant && !address) continue;
      if (is_call(d.op) || in_place_[before]) continue;
      in_place_.at(before) = 1;
      before = c.prev;
    }
  }

  std::string value(Value v) const {
    v = fn_.resolve(v);
    Inst i = fn_.def(v);
    if (i && in_place_[i]) return number(fn_.insts[i].imm);
    return format("v{}", values_[v]);
  }
  std::string memory(Value v, int64_t offset) const {
    Inst i = fn_.def(v);
    if (i && in_place_[i] && fn_.insts[i].op == Opcode::SlotAddr)
      return format("s{}{}", fn_.insts[i].slot.index, signed_offset(fn_.insts[i].imm + offset));
    return value(v) + signed_offset(offset);
  }

  void print_block(Block b, std::string& out) const {
    out += format("b{}", blocks_[b]);
    auto params = fn_.params(b);
    for (size_t k = 0; k < params.size(); ++k)
      out += format("{}v{}{}", k ? ", " : "(", values_[params[k]],
                    options_.origins ? home_text(fn_.home(params[k])) : "");
    if (!params.empty()) out += ")";
    if (fn_.blocks[b].table_target != kNoOrigin) out += format(" table {}", fn_.blocks[b].table_target);
    out += ":\n";
    for (Inst i : fn_.insts_of(b))
      if (!in_place_[i]) print_inst(i, out);
  }

  static std::string_view size_name(MemSize size) {
    constexpr std::string_view kNames[] = {".u8", ".u16", ".u32", ".u64", ".s8", ".s16", ".s32"};
    return kNames[size_t(size)];
  }

  void print_inst(Inst i, std::string& out) const {
    const InstData& d = fn_.insts[i];
    const OpcodeInfo& op = info(d.op);
    std::string line = d.result ? format("v{} = ", values_[d.result]) : "";
    line += op.mnemonic;
    if (d.op == Opcode::Const && d.form != Form::kNatural)
      line += d.form == Form::kMov32 ? ".mov32" : ".imm64";
    if (op.fields & kSize) line += size_name(d.size);
    if (op.fields & kWidth && d.width == Width::k32) line += ".32";
    line += operands_text(i);
    if (d.core != kNoCore) line += format(" core({})", d.core);
    if (options_.origins) {
      Home home = d.result ? fn_.home(d.result) : Home{};
      if (d.origin != kNoOrigin)
        line += format(" @{}{}", d.origin, home_text(home));
      else if (home)
        line += " @" + home_text(home);
    }
    out += "  " + line + "\n";
  }

  std::string operands_text(Inst i) const {
    const InstData& d = fn_.insts[i];
    std::string text;
    auto add = [&](std::string item) { text += (text.empty() ? " " : ", ") + std::move(item); };
    size_t first = 0;
    if (is_call(d.op)) return call_text(i);
    if (d.op == Opcode::Const) add(number(d.imm));
    if (d.op == Opcode::Symbol) {
      add(names_[d.symbol] + (d.imm ? "+" + number(d.imm) : ""));
      if (d.pseudo) text += format(" pseudo({})", d.pseudo);
    }
    if (d.op == Opcode::SlotAddr) add(format("s{}{}", d.slot.index, signed_offset(d.imm)));
    if (info(d.op).fields & kOffset) add(memory(fn_.operand(i, 0), d.offset)), first = 1;
    for (size_t n = first; n < d.operand_count; ++n) add(value(fn_.operand(i, n)));
    if (d.op == Opcode::AddrSpaceCast || d.op == Opcode::LdAbs || d.op == Opcode::LdInd) add(number(d.imm));
    for (uint32_t n = 0; n < d.edge_count; ++n) {
      Edge e = fn_.edge(i, n);
      std::string edge = format("b{}", blocks_[fn_.edges[e].to]);
      auto args = fn_.args(e);
      for (size_t k = 0; k < args.size(); ++k) edge += (k ? ", " : "(") + value(args[k]);
      add(edge + (args.empty() ? "" : ")"));
    }
    return text;
  }

  std::string call_text(Inst i) const {
    const InstData& d = fn_.insts[i];
    std::string text;
    size_t count = d.operand_count;
    if (d.op == Opcode::CallHelper) {
      const bpf::HelperContract* contract = bpf::helper(int32_t(d.imm));
      text = format(" {}#{}", contract ? contract->name : "", d.imm);
    } else if (d.op == Opcode::CallX) {
      text = " " + value(fn_.operand(i, --count));
    } else {
      text = " " + names_[d.symbol];
    }
    text += "(";
    for (size_t n = 0; n < count; ++n) text += (n ? ", " : "") + value(fn_.operand(i, n));
    text += ")";
    if (d.op == Opcode::CallFunc || d.op == Opcode::CallKfunc) {
      text += format(" imm({})", d.imm);
      if (d.offset) text += format(" off({})", d.offset);
      if (d.pseudo) text += format(" pseudo({})", d.pseudo);
    }
    return text;
  }

  const Function& fn_;
  const SymbolNames& names_;
  PrintOptions options_;
  SideTable<Block, uint32_t> blocks_;
  SideTable<Value, uint32_t> values_, uses_ = SideTable<Value, uint32_t>(0);
  SideTable<Inst, uint8_t> in_place_ = SideTable<Inst, uint8_t>(0);
  bool counted_ = false;
};

std::string declare(const Symbols& symbols, const SymbolNames& names,
                    std::span<const Function* const> functions) {
  std::set<uint32_t> used;
  for (const Function* fn : functions)
    for (Block b : fn->all_blocks())
      for (Inst i : fn->insts_of(b))
        if (fn->insts[i].symbol) used.insert(fn->insts[i].symbol.index);
  std::string out;
  constexpr std::string_view kKinds[] = {"map", "data", "func", "kfunc", "ksym", "table", "other"};
  for (uint32_t n : used) {
    const bpf::Symbol& s = symbols[bpf::SymbolId{n}];
    out += format("{} {}", kKinds[size_t(s.kind)], names[bpf::SymbolId{n}]);
    if (s.weak) out += " weak";
    if (s.signature) out += format(" args={}{}", s.signature->args, s.signature->returns_void ? " void" : "");
    out += "\n";
  }
  return out;
}

}  // namespace

std::string print(const Function& fn, const Symbols& symbols, PrintOptions options) {
  return Printer(fn, SymbolNames(symbols), options).run();
}

std::string print(const Module& module, PrintOptions options) {
  SymbolNames names(module.symbols);
  std::vector<const Function*> functions;
  for (const Function& fn : module.functions) functions.push_back(&fn);
  std::string out = "epir 1\n" + declare(module.symbols, names, functions);
  for (const Function& fn : module.functions) out += Printer(fn, names, options).run();
  return out;
}

}  // namespace epass
