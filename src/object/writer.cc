// From new code to a new ELF object: everything that names a place in moved code follows it.

#include "object/writer.h"

namespace epass::object {

Result<std::vector<uint8_t>> ObjectWriter::run() {
  if (!options_.keep_dwarf) drop_dwarf();
  place_functions();
  for (size_t c = 0; c < o_.code_.size(); ++c)
    if (auto ok = write_code(c); !ok) return fail(ok.error());
  if (auto ok = write_relocation_tables(); !ok) return fail(ok.error());
  if (auto ok = write_jump_tables(); !ok) return fail(ok.error());
  move_symbols();
  if (auto ok = write_btf_ext(); !ok) return fail(ok.error());
  return write_elf(std::move(elf_));
}

void ObjectWriter::drop_dwarf() {
  for (ElfSection& s : elf_.sections)
    if (s.name.starts_with(".debug_") || s.name.starts_with(".rel.debug_") || s.name == ".llvm_addrsig")
      s.dropped = true;
}

void ObjectWriter::place_functions() {
  starts_.resize(o_.code_.size());
  function_start_.resize(o_.program_.functions.size());
  for (size_t c = 0; c < o_.code_.size(); ++c) {
    uint32_t at = 0;
    for (const Object::Part& p : o_.code_[c].parts) {
      starts_[c].push_back(at);
      if (p.function) function_start_[p.function.index] = at;
      const bpf::NewCode* code = new_code(p.function);
      at += is_dropped(p) ? 0 : code ? uint32_t(code->insns.size()) : p.end - p.begin;
    }
    new_size_.push_back(at);
  }
  for (const auto& [id, code] : changed_) {
    // First new record for each old one: the first that comes from it or from a later one.
    std::vector<uint32_t>& map = moved_[id.index];
    map.assign(o_.program_.functions[id].insns.size() + 1, UINT32_MAX);
    for (uint32_t n = 0; n < code.origin.size(); ++n)
      if (code.origin[n] < map.size() && map[code.origin[n]] == UINT32_MAX) map[code.origin[n]] = n;
    map.back() = uint32_t(code.insns.size());
    for (size_t n = map.size() - 1; n-- > 0;)
      if (map[n] == UINT32_MAX) map[n] = map[n + 1];
    map[0] = 0;
  }
}

const Object::Part* ObjectWriter::part_of(size_t c, uint32_t insn) const {
  const auto& parts = o_.code_[c].parts;
  auto it = std::ranges::upper_bound(parts, insn, {}, &Object::Part::begin);
  return it == parts.begin() || insn >= std::prev(it)->end ? nullptr : &*std::prev(it);
}

uint32_t ObjectWriter::moved(size_t c, uint32_t insn) const {
  const auto& parts = o_.code_[c].parts;
  auto it = std::ranges::upper_bound(parts, insn, {}, &Object::Part::begin);
  if (it == parts.begin()) return insn;
  size_t k = size_t(it - parts.begin()) - 1;
  if (insn >= parts[k].end) return new_size_[c];
  if (is_dropped(parts[k])) return starts_[c][k];
  uint32_t inside = insn - parts[k].begin;
  return starts_[c][k] + (new_code(parts[k].function) ? moved_.at(parts[k].function.index)[inside] : inside);
}

const size_t* ObjectWriter::code_index(uint32_t section) const {
  for (size_t c = 0; c < o_.code_.size(); ++c)
    if (o_.code_[c].section == section) return &(found_ = c);
  return nullptr;
}

Result<void> ObjectWriter::write_code(size_t c) {
  const Object::CodeSection& code = o_.code_[c];
  std::vector<bpf::Insn> out;
  for (size_t k = 0; k < code.parts.size(); ++k) {
    const Object::Part& p = code.parts[k];
    if (is_dropped(p)) continue;
    const bpf::NewCode* fresh = new_code(p.function);
    if (fresh)
      out.insert(out.end(), fresh->insns.begin(), fresh->insns.end());
    else
      out.insert(out.end(), code.insns.begin() + p.begin, code.insns.begin() + p.end);
    if (!p.function) continue;
    const auto& attachments = fresh ? fresh->attachments : o_.program_.functions[p.function].attachments;
    for (const bpf::Attachment& a : attachments) {
      uint32_t at = starts_[c][k] + a.insn;
      const bpf::Symbol& symbol = o_.program_.symbols[a.symbol];
      if (symbol.kind == bpf::Symbol::Kind::kFunc && symbol.function)
        refer_to_function(c, at, out[at], symbol);
      if (symbol.external == UINT32_MAX) continue;
      // One symbol may be called and have its address taken.
      uint32_t type = o_.relocation_type_[a.symbol.index];
      if (type == kR64_64 || type == kR64_32)
        type = bpf::is_ld_imm64(out[at]) ? kR64_64 : out[at].code == bpf::kCodeCall ? kR64_32 : type;
      relocations_[c].push_back({uint64_t(at) * 8, symbol.external, type});
    }
  }
  ElfSection& section = elf_.sections[code.section];
  section.data.resize(out.size() * 8);
  if (!out.empty()) std::memcpy(section.data.data(), out.data(), section.data.size());
  return {};
}

uint32_t ObjectWriter::symbol_of(bpf::FunctionId id) const {
  const bpf::Function& fn = o_.program_.functions[id];
  const uint32_t section = o_.code_[o_.code_of_function_[id.index]].section;
  for (uint32_t n = 1; n < o_.elf_.symbols.size(); ++n) {
    const ElfSymbol& s = o_.elf_.symbols[n];
    if (s.section == section && s.value == uint64_t(fn.section_insn) * 8 && s.name == fn.name) return n;
  }
  return 0;
}

void ObjectWriter::refer_to_function(size_t c, uint32_t at, bpf::Insn& insn, const bpf::Symbol& symbol) {
  int64_t target = function_start_[symbol.function.index];
  const bool call = insn.code == bpf::kCodeCall;
  if (symbol.external != UINT32_MAX) {
    // The distance from the symbol, which for a section is its start.
    const ElfSymbol& base = o_.elf_.symbols[symbol.external];
    const size_t* base_code = code_index(base.section);
    if (base_code && base.type() != STT_SECTION) target -= moved(*base_code, uint32_t(base.value / 8));
    insn.imm = int32_t(call ? target - 1 : target * 8);
  } else if (o_.code_of_function_[symbol.function.index] == c) {
    insn.imm = int32_t(target - int64_t(at) - 1);
  } else {
    // Code of one section that was copied to another: what was a distance becomes a relocation.
    insn.imm = call ? -1 : 0;
    relocations_[c].push_back({uint64_t(at) * 8, symbol_of(symbol.function), call ? kR64_32 : kR64_64});
  }
}

Result<void> ObjectWriter::write_relocation_tables() {
  for (ElfSection& table : elf_.sections) {
    if (table.dropped || table.type != SHT_REL || table.info >= elf_.sections.size()) continue;
    if (const size_t* found = code_index(table.info)) {
      size_t c = *found;
      auto& fresh = relocations_[c];
      // Entries in code that belongs to no function keep their place in it.
      auto old = read_relocations(o_.elf_, table);
      if (!old) return fail(old.error());
      for (const ElfRelocation& r : *old) {
        const auto& parts = o_.code_[c].parts;
        auto part = std::ranges::upper_bound(parts, r.offset / 8, {}, &Object::Part::begin);
        if (part != parts.begin() && r.offset / 8 < std::prev(part)->end && !std::prev(part)->function)
          fresh.push_back({uint64_t(moved(c, uint32_t(r.offset / 8))) * 8, r.symbol, r.type});
      }
      std::ranges::stable_sort(fresh, {}, &ElfRelocation::offset);
      write_relocations(table, fresh);
      continue;
    }
    if (auto ok = move_addends(table); !ok) return ok;
  }
  return {};
}

Result<void> ObjectWriter::move_addends(ElfSection& table) {
  ElfSection& target = elf_.sections[table.info];
  if (target.name.starts_with(".BTF.ext") || target.dropped) return {};
  auto list = read_relocations(o_.elf_, table);
  if (!list) return fail(list.error());
  for (const ElfRelocation& r : *list) {
    const ElfSymbol& symbol = o_.elf_.symbols[r.symbol];
    if (symbol.type() != STT_SECTION) continue;
    const size_t* c = code_index(symbol.section);
    if (!c) continue;
    if (r.type == kR64Abs64) {
      if (auto old = read_le<uint64_t>(target.data, r.offset))
        write_le<uint64_t>(target.data, r.offset, uint64_t(moved(*c, uint32_t(*old / 8))) * 8);
    } else if (auto old = read_le<uint32_t>(target.data, r.offset)) {
      write_le<uint32_t>(target.data, r.offset, moved(*c, *old / 8) * 8);
    }
  }
  return {};
}

Result<void> ObjectWriter::write_jump_tables() {
  for (const auto& [id, code] : changed_) {
    if (options_.dropped.contains(id)) continue;
    const bpf::Function& fn = o_.program_.functions[id];
    for (const bpf::Attachment& a : fn.attachments) {
      const bpf::Symbol& symbol = o_.program_.symbols[a.symbol];
      if (symbol.kind != bpf::Symbol::Kind::kJumpTable || symbol.external == UINT32_MAX) continue;
      // The new code may have lost the jump, and the table with it.
      if (std::ranges::find(code.attachments, a.symbol, &bpf::Attachment::symbol) == code.attachments.end())
        continue;
      const ElfSymbol& place = o_.elf_.symbols[symbol.external];
      for (size_t n = 0; n < symbol.targets.size(); ++n) {
        auto to = std::ranges::lower_bound(code.table_targets, symbol.targets[n], {},
                                           &std::pair<uint32_t, uint32_t>::first);
        if (to == code.table_targets.end() || to->first != symbol.targets[n])
          return fail("jump-table", format("the new code of `{}` lost a target of its jump table", fn.name));
        write_le<uint64_t>(elf_.sections[place.section].data, place.value + 8 * n,
                           uint64_t(function_start_[id.index] + to->second) * 8);
      }
    }
  }
  // Functions that only moved take their tables along.
  for (uint32_t n = 0; n < o_.program_.functions.size(); ++n) {
    bpf::FunctionId id{n};
    if (changed_.contains(id) || options_.dropped.contains(id)) continue;
    const bpf::Function& fn = o_.program_.functions[id];
    for (const bpf::Attachment& a : fn.attachments) {
      const bpf::Symbol& symbol = o_.program_.symbols[a.symbol];
      if (symbol.kind != bpf::Symbol::Kind::kJumpTable || symbol.external == UINT32_MAX) continue;
      const ElfSymbol& place = o_.elf_.symbols[symbol.external];
      for (size_t k = 0; k < symbol.targets.size(); ++k)
        write_le<uint64_t>(elf_.sections[place.section].data, place.value + 8 * k,
                           uint64_t(function_start_[n] + symbol.targets[k]) * 8);
    }
  }
  return {};
}

void ObjectWriter::move_symbols() {
  for (ElfSymbol& s : elf_.symbols) {
    if (s.section == SHN_UNDEF || s.section >= SHN_LORESERVE || s.type() == STT_SECTION) continue;
    const size_t* c = code_index(s.section);
    if (!c) continue;
    uint32_t begin = uint32_t(s.value / 8), end = uint32_t((s.value + s.size) / 8);
    if (const Object::Part* part = part_of(*c, begin); part && is_dropped(*part)) {
      s.dropped = true;
      continue;
    }
    uint32_t new_begin = moved(*c, begin);
    if (s.size) s.size = uint64_t(end_of(*c, end) - new_begin) * 8;
    s.value = uint64_t(new_begin) * 8;
  }
}

uint32_t ObjectWriter::end_of(size_t c, uint32_t end) const {
  const auto& parts = o_.code_[c].parts;
  auto part = std::ranges::lower_bound(parts, end, {}, &Object::Part::end);
  if (part == parts.end() || part->end != end) return moved(c, end);
  size_t next = size_t(part - parts.begin()) + 1;
  return next < parts.size() ? starts_[c][next] : new_size_[c];
}

// Equal instructions may refer to different symbols.
static bool is_same(const bpf::NewCode& code, const bpf::Function& fn) {
  return code.insns == fn.insns &&
         std::ranges::equal(code.attachments, fn.attachments,
                            [](const bpf::Attachment& a, const bpf::Attachment& b) {
                              return a.insn == b.insn && a.symbol == b.symbol;
                            }) &&
         std::ranges::equal(code.core, fn.core, [](const bpf::CoreRecord& a, const bpf::CoreRecord& b) {
           return a.insn == b.insn && a.id == b.id;
         });
}

Result<std::vector<uint8_t>> Object::write(const std::map<bpf::FunctionId, bpf::NewCode>& changed,
                                           WriteOptions options) const {
  std::map<bpf::FunctionId, bpf::NewCode> real;
  for (const auto& [id, code] : changed)
    if (!is_same(code, program_.functions[id])) real[id] = code;
  if (real.empty() && options.dropped.empty()) return bytes_;
  return ObjectWriter(*this, real, options).run();
}

}  // namespace epass::object
