// BTF.ext around new code: which instruction begins which function, stands on which source line, has which
// CO-RE record.

#include "object/writer.h"

namespace epass::object {

Result<void> ObjectWriter::write_btf_ext() {
  if (!o_.ext_section_) return {};
  BtfExt ext = *o_.ext_;
  ElfSection* table = nullptr;
  for (ElfSection& s : elf_.sections)
    if (s.type == SHT_REL && s.info == o_.ext_section_) table = &s;
  uint32_t relocation_type = kR64NoDyld32;
  if (table) {
    auto old = read_relocations(o_.elf_, *table);
    if (!old) return fail(old.error());
    if (!old->empty()) relocation_type = old->front().type;
    note_relocations(ext, *old);
  }
  core_symbols_ = ext.tables[BtfExt::kCoreRelo].sections;
  add_core_sections(ext);
  find_lines(ext);
  for (int kind = 0; kind < 3; ++kind) {
    for (ExtSection& s : ext.tables[kind].sections) {
      for (size_t c = 0; c < o_.code_.size(); ++c) {
        if (elf_.sections[o_.code_[c].section].name != o_.btf_->string(s.name)) continue;
        if (kind == BtfExt::kFuncInfo) s.records = move_functions(c, s.records);
        if (kind == BtfExt::kLineInfo) s.records = move_lines(c, s.records);
        if (kind == BtfExt::kCoreRelo)
          s.records = move_core(c, ext.tables[kind], uint32_t(&s - ext.tables[kind].sections.data()));
        break;
      }
    }
  }
  std::vector<std::pair<uint64_t, uint32_t>> places;
  elf_.sections[o_.ext_section_].data = ext.print(&places);
  if (table) {
    std::vector<ElfRelocation> fresh;
    for (auto [offset, symbol] : places) fresh.push_back({offset, symbol, relocation_type});
    write_relocations(*table, fresh);
  }
  return {};
}

void ObjectWriter::note_relocations(BtfExt& ext, const std::vector<ElfRelocation>& old) {
  std::map<uint64_t, uint32_t> symbol_at;
  for (const ElfRelocation& r : old) symbol_at[r.offset] = r.symbol;
  for (int kind = 0; kind < 3; ++kind) {
    uint64_t field = uint64_t(8 + 8 * kind);
    if (field + 8 > ext.header.size()) continue;
    uint64_t at = ext.header_length + *read_le<uint32_t>(ext.header, field) + 4;
    for (ExtSection& s : ext.tables[kind].sections) {
      at += 8;
      for (ExtRecord& r : s.records) {
        if (auto it = symbol_at.find(at); it != symbol_at.end()) r.relocation_symbol = it->second;
        at += ext.tables[kind].record_size;
      }
    }
  }
}

void ObjectWriter::add_core_sections(BtfExt& ext) const {
  auto& sections = ext.tables[BtfExt::kCoreRelo].sections;
  auto named = [&](const std::vector<ExtSection>& list, size_t c) {
    return std::ranges::find_if(
        list, [&](const ExtSection& s) { return o_.btf_->string(s.name) == name_of_code(c); });
  };
  for (const auto& [id, code] : changed_) {
    const size_t c = o_.code_of_function_[id.index];
    if (code.core.empty() || named(sections, c) != sections.end()) continue;
    const auto& functions = ext.tables[BtfExt::kFuncInfo].sections;
    if (auto known = named(functions, c); known != functions.end()) sections.push_back({.name = known->name});
  }
}

std::vector<ExtRecord> ObjectWriter::move_functions(size_t c, const std::vector<ExtRecord>& old) const {
  std::vector<ExtRecord> out;
  for (const ExtRecord& r : old) {
    const Object::Part* part = part_of(c, r.offset / 8);
    if (part && is_dropped(*part)) continue;
    out.push_back(r);
    out.back().offset = moved(c, r.offset / 8) * 8;
  }
  return out;
}

// The lines of each function as they were.
void ObjectWriter::find_lines(const BtfExt& ext) {
  lines_.resize(o_.program_.functions.size());
  for (size_t c = 0; c < o_.code_.size(); ++c) {
    for (const ExtSection& s : ext.tables[BtfExt::kLineInfo].sections) {
      if (o_.btf_->string(s.name) != name_of_code(c)) continue;
      for (const ExtRecord& r : s.records) {
        const Object::Part* part = part_of(c, r.offset / 8);
        if (!part || !part->function) continue;
        lines_[part->function.index].push_back(r);
        lines_[part->function.index].back().offset = r.offset / 8 - part->begin;
      }
    }
  }
  for (uint32_t n = 0; n < lines_.size(); ++n) {
    std::ranges::stable_sort(lines_[n], {}, &ExtRecord::offset);
    old_lines_.push_back({lines_[n], uint32_t(o_.program_.functions[bpf::FunctionId{n}].insns.size())});
  }
}

std::vector<ExtRecord> ObjectWriter::move_lines(size_t c, const std::vector<ExtRecord>& old) const {
  std::vector<ExtRecord> sorted = old, out;
  std::ranges::stable_sort(sorted, {}, &ExtRecord::offset);
  for (size_t k = 0; k < o_.code_[c].parts.size(); ++k) {
    const Object::Part& p = o_.code_[c].parts[k];
    if (is_dropped(p)) continue;
    if (const bpf::NewCode* code = new_code(p.function)) {
      std::vector<ExtRecord> fresh = lines_of(old_lines_, p.function, *code, starts_[c][k]);
      // Lines of another section's code are this section's now.
      for (ExtRecord& r : fresh)
        if (!old.empty() &&
            std::ranges::find(old, r.relocation_symbol, &ExtRecord::relocation_symbol) == old.end())
          r.relocation_symbol = old.front().relocation_symbol;
      out.insert(out.end(), fresh.begin(), fresh.end());
      continue;
    }
    auto first = std::ranges::lower_bound(sorted, p.begin * 8, {}, &ExtRecord::offset);
    auto last = std::ranges::lower_bound(sorted, p.end * 8, {}, &ExtRecord::offset);
    for (auto r = first; r != last; ++r) {
      out.push_back(*r);
      out.back().offset = r->offset - p.begin * 8 + starts_[c][k] * 8;
    }
  }
  return out;
}

std::vector<ExtRecord> ObjectWriter::move_core(size_t c, const ExtTable& table, uint32_t section) const {
  std::vector<ExtRecord> out;
  // Code that was copied from another section takes its records along.
  auto belongs_here = [&](uint32_t from) {
    if (from == section) return true;
    auto named = [&](const ExtSection& s) { return s.name == table.sections[section].name; };
    return table.sections[from].name != table.sections[section].name &&
           std::ranges::find_if(table.sections, named) - table.sections.begin() == section;
  };
  const uint32_t symbol = section < core_symbols_.size() && !core_symbols_[section].records.empty()
                              ? core_symbols_[section].records.front().relocation_symbol
                              : 0;
  for (size_t k = 0; k < o_.code_[c].parts.size(); ++k) {
    const Object::Part& p = o_.code_[c].parts[k];
    if (is_dropped(p)) continue;
    if (!p.function) {
      for (const ExtRecord& r : core_symbols_[section].records)
        if (r.offset / 8 >= p.begin && r.offset / 8 < p.end) {
          out.push_back(r);
          out.back().offset = moved(c, r.offset / 8) * 8;
        }
      continue;
    }
    const bpf::NewCode* code = new_code(p.function);
    for (const bpf::CoreRecord& r : code ? code->core : o_.program_.functions[p.function].core) {
      const Object::CorePlace& place = o_.core_places_[r.id];
      if (!belongs_here(place.section)) continue;
      out.push_back(core_symbols_[place.section].records[place.record]);
      out.back().offset = (starts_[c][k] + r.insn) * 8;
      if (place.section != section && out.back().relocation_symbol) out.back().relocation_symbol = symbol;
    }
  }
  return out;
}

}  // namespace epass::object
