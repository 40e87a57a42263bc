#pragma once
#include <elf.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/format.h"
#include "bpf/program_type.h"
#include "object/object.h"

namespace epass::object {

inline std::unexpected<Error> bad(std::string code, std::string message, Place where = {}) {
  return fail(std::move(code), std::move(message), std::move(where));
}

// Fills an Object. reader.cc: functions and relocations; references.cc: what else refers to functions and
// instructions.
class ObjectReader {
 public:
  explicit ObjectReader(Object& out) : o_(out), elf_(out.elf_), program_(out.program_) {}

  Result<void> run();

 private:
  Result<void> read_btf();

  struct Start {
    uint32_t begin = 0, end = 0;
    std::string name = {};
    bool is_global = false, hidden = false;
  };

  // Function symbols of the section; in objects of old compilers these have no type.
  std::vector<Start> find_starts(uint32_t n, uint32_t size) const;

  Result<void> read_code(uint32_t n);

  const Object::CodeSection* code_section(uint32_t section) const {
    auto it = std::ranges::find(o_.code_, section, &Object::CodeSection::section);
    return it == o_.code_.end() ? nullptr : &*it;
  }
  static const Object::Part* part_at(const Object::CodeSection& code, uint64_t insn) {
    auto it = std::ranges::upper_bound(code.parts, insn, {}, &Object::Part::begin);
    if (it == code.parts.begin() || insn >= std::prev(it)->end) return nullptr;
    return &*std::prev(it);
  }

  void find_signatures();

  // One program symbol for each (ELF symbol, function it leads to, use as a callee or as an address).
  bpf::SymbolId intern(uint32_t elf_symbol, bpf::Symbol symbol, uint32_t type);

  Result<void> read_code_relocations(const ElfSection& table);

  bpf::SymbolId symbol_of(const ElfRelocation& r, const ElfSymbol& elf_symbol, bpf::Function& fn,
                          uint32_t at) {
    using Kind = bpf::Symbol::Kind;
    bpf::Insn insn = fn.insns[at];
    bool is_call = insn.code == bpf::kCodeCall;
    bpf::Symbol symbol{.name = elf_symbol.name, .weak = elf_symbol.binding() == STB_WEAK};
    if (elf_symbol.section == SHN_UNDEF) {
      symbol.kind = is_call ? Kind::kKfunc : Kind::kKsym;
      if (o_.btf_) {
        auto [it, is_new] = signatures_.try_emplace(symbol.name);
        if (is_new) it->second = o_.btf_->signature_of(symbol.name);
        symbol.signature = it->second;
      }
    } else if (elf_symbol.section < elf_.sections.size()) {
      const std::string& section = elf_.sections[elf_symbol.section].name;
      if (symbol.name.empty()) symbol.name = section;
      if (const Object::CodeSection* code = code_section(elf_symbol.section)) {
        int64_t target = int64_t(elf_symbol.value / 8);
        if (is_call)
          target += int64_t(insn.imm) + 1;
        else
          target += insn.imm / 8;
        symbol.kind = Kind::kFunc;
        const Object::Part* part = target >= 0 ? part_at(*code, uint64_t(target)) : nullptr;
        if (part && part->function && part->begin == target) {
          symbol.function = part->function;
          symbol.name = program_.functions[part->function].name;
          if (!is_call)
            program_.functions[part->function].is_callback = true;
          else
            called_.push_back(part->function);
        } else {
          fn.keep_reason = format("instruction {} refers to the middle of a function", at);
          freeze(*code);
        }
      } else if (is_map_section(section)) {
        symbol.kind = Kind::kMap;
      } else if (section == ".jumptables") {
        symbol.kind = Kind::kJumpTable;
        fill_targets(symbol, elf_symbol, fn);
      } else {
        symbol.kind = Kind::kData;
      }
    }
    return intern(r.symbol, std::move(symbol), r.type);
  }

  // Code that something refers to in its middle must not move against its surroundings.
  void freeze(const Object::CodeSection& code);

  void fill_targets(bpf::Symbol& symbol, const ElfSymbol& elf_symbol, bpf::Function& fn);

  // Calls within a section need no relocation: their immediate is the distance.
  Result<void> resolve_unrelocated();

  static bool leaves(const bpf::Function& fn, uint32_t i);

  // A number that only the kernel or a loader understands.
  void attach_number(bpf::Function& fn, uint32_t i, bpf::Insn insn);

  Result<void> sort_attachments();

  void find_jump_tables();

  void find_core_records();

  // Pointers to functions in data.
  void find_address_taken();
  void tell_map_types();

  Object& o_;
  ElfFile& elf_;
  bpf::Program& program_;
  std::map<std::tuple<uint32_t, uint32_t, bpf::Symbol::Kind>, bpf::SymbolId> interned_;
  std::map<uint32_t, bpf::SymbolId> local_;
  std::map<std::string, bpf::SymbolId> numbers_;
  std::map<std::string, std::optional<bpf::Signature>, std::less<>> signatures_;
  std::vector<bpf::FunctionId> called_;
  std::set<uint32_t> frozen_;  // code sections
};

}  // namespace epass::object
