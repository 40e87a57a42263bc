// The maps of an object: definitions in BTF (.maps) and the older structures in section `maps`.

#include <elf.h>

#include <algorithm>

#include "object/object.h"

namespace epass::object {

bool is_map_section(std::string_view name) {
  return name == "maps" || name == ".maps" || name.starts_with("maps/");
}

namespace {

// Pointers that the definitions in section `number` hold: offset -> name of the program or map.
std::map<uint64_t, std::string> pointers_in(const ElfFile& elf, uint32_t number) {
  std::map<uint64_t, std::string> out;
  for (const ElfSection& section : elf.sections) {
    if (section.type != SHT_REL || section.info != number) continue;
    auto relocations = read_relocations(elf, section);
    if (!relocations) continue;  // the reader of the object has said so
    for (const ElfRelocation& r : *relocations)
      if (r.symbol < elf.symbols.size()) out[r.offset] = elf.symbols[r.symbol].name;
  }
  return out;
}

}  // namespace

std::vector<Map> read_maps(const ElfFile& elf, const Btf* btf) {
  std::vector<const ElfSymbol*> order;
  for (const ElfSymbol& s : elf.symbols) order.push_back(&s);
  std::ranges::stable_sort(order, {}, [](const ElfSymbol* s) { return std::pair(s->section, s->value); });
  std::map<std::string_view, uint32_t> variables;
  if (btf) variables = btf->variables();
  std::vector<Map> maps;
  std::map<uint32_t, std::map<uint64_t, std::string>> pointers;
  for (const ElfSymbol* symbol : order) {
    const ElfSymbol& s = *symbol;
    if (s.section == SHN_UNDEF || s.section >= elf.sections.size() || s.type() == STT_SECTION ||
        s.name.empty())
      continue;
    const ElfSection& section = elf.sections[s.section];
    if (!is_map_section(section.name)) continue;
    Map map{.name = s.name, .legacy = section.name != ".maps"};
    if (map.legacy) {
      auto field = [&](uint64_t n) { return read_le<uint32_t>(section.data, s.value + 4 * n).value_or(0); };
      map.type = field(0), map.key_size = field(1), map.value_size = field(2), map.max_entries = field(3),
      map.flags = field(4);
    } else if (auto it = variables.find(s.name); it != variables.end()) {
      auto number = [&](const char* member) { return btf->map_number(it->second, member).value_or(0); };
      map.type = number("type"), map.max_entries = number("max_entries"), map.flags = number("map_flags");
      map.key_size = btf->map_number(it->second, "key_size").value_or(number("key"));
      map.value_size = btf->map_number(it->second, "value_size").value_or(number("value"));
      if (auto first = btf->map_values_offset(it->second)) {
        if (!pointers.contains(s.section)) pointers[s.section] = pointers_in(elf, s.section);
        for (const auto& [offset, name] : pointers[s.section])
          if (offset >= s.value + *first && offset < s.value + s.size)
            map.slots.emplace_back(uint32_t((offset - s.value - *first) / 8), name);
      }
    }
    maps.push_back(std::move(map));
  }
  return maps;
}

}  // namespace epass::object
