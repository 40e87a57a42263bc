// What can be asked of an object beside its program: license, data, source lines, CO-RE records.

#include <elf.h>

#include <algorithm>

#include "base/format.h"
#include "object/object.h"

namespace epass::object {

std::string Object::license() const {
  for (const ElfSection& s : elf_.sections)
    if (s.name == "license") return std::string(s.data.begin(), std::ranges::find(s.data, 0));
  return "GPL";
}

std::string Object::section_of(const bpf::Symbol& symbol) const {
  if (symbol.external >= elf_.symbols.size() || elf_.symbols[symbol.external].section >= elf_.sections.size())
    return "";
  return elf_.sections[elf_.symbols[symbol.external].section].name;
}

Bytes Object::section_data(const std::string& name) const {
  static const std::vector<uint8_t> kZeros(1 << 20);
  for (const ElfSection& s : elf_.sections)
    if (s.name == name)
      return s.type == SHT_NOBITS ? Bytes(kZeros).first(std::min<size_t>(s.size, kZeros.size()))
                                  : Bytes(s.data);
  return {};
}

uint64_t Object::symbol_offset(bpf::SymbolId id) const {
  uint32_t external = program_.symbols[id].external;
  return external < elf_.symbols.size() ? elf_.symbols[external].value : 0;
}

void Object::freeze_rodata() {
  for (uint32_t n = 0; n < program_.symbols.size(); ++n) {
    bpf::Symbol& symbol = program_.symbols[bpf::SymbolId{n}];
    const std::string section = symbol.kind == bpf::Symbol::Kind::kData ? section_of(symbol) : "";
    if (!is_rodata(section)) continue;
    const Bytes bytes = section_data(section);
    const uint64_t offset = symbol_offset(bpf::SymbolId{n});
    if (offset < bytes.size()) symbol.frozen = bytes.subspan(offset);
  }
}

std::vector<SourceLine> Object::source_lines(bpf::FunctionId id) const {
  std::vector<SourceLine> lines;
  const bpf::Function& fn = program_.functions[id];
  if (!ext_) return lines;
  for (const ExtSection& s : ext_->tables[BtfExt::kLineInfo].sections) {
    if (btf_->string(s.name) != fn.section) continue;
    for (const ExtRecord& r : s.records) {
      auto line = line_record(r);
      uint32_t at = r.offset / 8;
      if (!line || at < fn.section_insn || at >= fn.section_insn + fn.insns.size()) continue;
      lines.push_back({at - fn.section_insn, btf_->string(line->file), btf_->string(line->text), line->line,
                       line->column});
    }
  }
  std::ranges::stable_sort(lines, {}, &SourceLine::insn);
  return lines;
}

std::string Object::core_text(uint32_t id) const {
  static constexpr const char* kKinds[] = {"byte_off",    "byte_size",  "field_exists",   "signed",
                                           "lshift_u64",  "rshift_u64", "local_type_id",  "target_type_id",
                                           "type_exists", "type_size",  "enumval_exists", "enumval_value",
                                           "type_matches"};
  if (!ext_ || id >= core_places_.size()) return "?";
  const ExtRecord& r =
      ext_->tables[BtfExt::kCoreRelo].sections[core_places_[id].section].records[core_places_[id].record];
  uint32_t type = read_le<uint32_t>(r.rest, 0).value_or(0), access = read_le<uint32_t>(r.rest, 4).value_or(0),
           kind = read_le<uint32_t>(r.rest, 8).value_or(0);
  return format("{} {}", kind < std::size(kKinds) ? kKinds[kind] : "?",
                btf_->access_text(type, btf_->string(access)));
}

}  // namespace epass::object
