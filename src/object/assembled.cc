#include "object/assembled.h"

#include <elf.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "base/format.h"
#include "object/elf.h"

namespace epass::object {

namespace {

constexpr uint16_t kMachineBpf = 247;

uint32_t relocation_type(bpf::Assembly::Reference::Kind kind, bool loadable) {
  using Kind = bpf::Assembly::Reference::Kind;
  switch (kind) {
    case Kind::kCall: return kR64_32;
    case Kind::kLoad: return kR64_64;
    case Kind::kData64: return kR64Abs64;
    case Kind::kData32: break;
  }
  return loadable ? kR64Abs32 : kR64NoDyld32;
}

class Builder {
 public:
  explicit Builder(const bpf::Assembly& assembly) : a_(assembly) {}

  Result<std::vector<uint8_t>> run() {
    elf_.machine = kMachineBpf;
    add_section("", SHT_NULL, 0, 0);
    for (const bpf::Assembly::Section& s : a_.sections) add(s);
    add_symbols();
    if (auto done = add_relocations(); !done) return fail(done.error());
    elf_.symbol_table = add_section(".symtab", SHT_SYMTAB, 0, 8);
    const uint32_t names = add_section(".strtab", SHT_STRTAB, 0, 1);
    elf_.section_names = names;
    ElfSection& table = elf_.sections[elf_.symbol_table];
    table.link = names, table.entry_size = sizeof(Elf64_Sym);
    for (ElfSection& s : elf_.sections)
      if (s.type == SHT_REL) s.link = elf_.symbol_table;
    store_names(names);
    return write_elf(std::move(elf_));
  }

 private:
  uint32_t add_section(std::string name, uint32_t type, uint64_t flags, uint64_t align) {
    elf_.sections.push_back({.name = std::move(name), .type = type, .flags = flags, .align = align});
    return static_cast<uint32_t>(elf_.sections.size()) - 1;
  }

  // Empty sections that nothing lies in are left out, as the `.text` that every text begins in.
  void add(const bpf::Assembly::Section& s) {
    if (s.bytes.empty() && !s.zeros && !s.is_code) {
      places_.push_back(0);
      return;
    }
    uint64_t flags = s.allocated || s.is_code ? uint64_t{SHF_ALLOC} : 0;
    if (s.is_code) flags |= SHF_EXECINSTR;
    if (s.writable) flags |= SHF_WRITE;
    if (s.strings) flags |= SHF_MERGE | SHF_STRINGS;
    const uint32_t n =
        add_section(s.name, s.is_zero ? SHT_NOBITS : SHT_PROGBITS, flags, std::max(s.align, 1u));
    elf_.sections[n].data = s.bytes;
    elf_.sections[n].size = s.zeros;
    elf_.sections[n].entry_size = s.strings ? 1 : 0;
    places_.push_back(n);
  }

  // Local symbols stand before global ones.
  void add_symbols() {
    elf_.symbols.emplace_back();
    numbers_.resize(a_.symbols.size());
    for (const bool global : {false, true}) {
      for (size_t n = 0; n < a_.symbols.size(); ++n) {
        const bpf::Assembly::Symbol& s = a_.symbols[n];
        if ((s.is_global || s.is_weak) != global) continue;
        numbers_[n] = static_cast<uint32_t>(elf_.symbols.size());
        uint8_t type = STT_NOTYPE;
        if (s.name.empty()) type = STT_SECTION;
        if (s.is_function) type = STT_FUNC;
        if (s.is_object) type = STT_OBJECT;
        const uint8_t binding = s.is_weak ? STB_WEAK : global ? STB_GLOBAL : STB_LOCAL;
        elf_.symbols.push_back(
            {.name = s.name,
             .info = static_cast<uint8_t>(binding << 4 | type),
             .other = static_cast<uint8_t>(s.is_hidden ? STV_HIDDEN : STV_DEFAULT),
             .section = static_cast<uint16_t>(s.section < 0 ? 0 : places_[static_cast<size_t>(s.section)]),
             .value = s.offset,
             .size = s.size});
      }
    }
  }

  Result<void> add_relocations() {
    std::map<uint32_t, std::vector<ElfRelocation>> lists;
    for (const bpf::Assembly::Reference& r : a_.references) {
      const bool loadable = a_.sections[r.section].allocated;
      lists[r.section].push_back(
          {.offset = r.offset, .symbol = numbers_[r.symbol], .type = relocation_type(r.kind, loadable)});
    }
    for (auto& [section, list] : lists) {
      const uint32_t n = add_section(".rel" + a_.sections[section].name, SHT_REL, SHF_INFO_LINK, 8);
      elf_.sections[n].info = places_[section];
      elf_.sections[n].entry_size = sizeof(Elf64_Rel);
      write_relocations(elf_.sections[n], list);
    }
    return {};
  }

  void store_names(uint32_t names) {
    std::vector<uint8_t>& table = elf_.sections[names].data;
    table.push_back(0);
    std::map<std::string, uint32_t> known = {{"", 0}};
    auto offset_of = [&](const std::string& name) {
      auto [it, is_new] = known.try_emplace(name, static_cast<uint32_t>(table.size()));
      if (is_new) table.insert(table.end(), name.begin(), name.end()), table.push_back(0);
      return it->second;
    };
    for (ElfSymbol& s : elf_.symbols) s.name_offset = offset_of(s.name);
    for (ElfSection& s : elf_.sections) s.name_offset = offset_of(s.name);
  }

  const bpf::Assembly& a_;
  ElfFile elf_;
  std::vector<uint32_t> places_;   // of each section of the assembly
  std::vector<uint32_t> numbers_;  // of each symbol
};

}  // namespace

Result<std::vector<uint8_t>> object_of(const bpf::Assembly& assembly) {
  for (const bpf::Assembly::Section& s : assembly.sections)
    if (s.is_code && s.bytes.size() % 8)
      return fail("elf-code", format("`{}` is no whole number of instructions", s.name), {.section = s.name});
  if (assembly.sections.size() > 60000) return fail("emit", "too many sections for an object");
  return Builder(assembly).run();
}

}  // namespace epass::object
