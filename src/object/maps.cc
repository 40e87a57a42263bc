// The maps of an object: definitions in BTF (.maps) and the older structures in section `maps`.

#include <elf.h>

#include <algorithm>

#include "object/object.h"

namespace epass::object {

bool is_map_section(std::string_view name) {
  return name == "maps" || name == ".maps" || name.starts_with("maps/");
}

std::vector<Map> read_maps(const ElfFile& elf, const Btf* btf) {
  std::vector<const ElfSymbol*> order;
  for (const ElfSymbol& s : elf.symbols) order.push_back(&s);
  std::ranges::stable_sort(order, {}, [](const ElfSymbol* s) { return std::pair(s->section, s->value); });
  std::map<std::string_view, uint32_t> variables;
  if (btf) variables = btf->variables();
  std::vector<Map> maps;
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
    }
    maps.push_back(std::move(map));
  }
  return maps;
}

}  // namespace epass::object
