// From ELF to bpf::Program: functions by symbol, what each instruction refers to, CO-RE records, signatures.

#include "object/reader.h"

#include <map>

namespace epass::object {

Result<void> ObjectReader::run() {
  if (auto ok = read_btf(); !ok) return ok;
  for (uint32_t n = 1; n < elf_.sections.size(); ++n) {
    const ElfSection& s = elf_.sections[n];
    if (s.type == SHT_PROGBITS && s.flags & SHF_EXECINSTR && !s.data.empty())
      if (auto ok = read_code(n); !ok) return ok;
  }
  find_signatures();
  for (const ElfSection& s : elf_.sections)
    if (s.type == SHT_REL)
      if (auto ok = read_code_relocations(s); !ok) return ok;
  if (auto ok = resolve_unrelocated(); !ok) return ok;
  if (auto ok = sort_attachments(); !ok) return ok;
  find_jump_tables();
  find_core_records();
  find_address_taken();
  o_.maps_ = read_maps(elf_, o_.btf_.get());
  tell_map_types();
  return {};
}

void ObjectReader::tell_map_types() {
  std::map<std::string_view, uint32_t> types;
  for (const Map& map : o_.maps_) types.emplace(map.name, map.type);
  for (uint32_t n = 0; n < o_.program_.symbols.size(); ++n) {
    bpf::Symbol& symbol = o_.program_.symbols[bpf::SymbolId{n}];
    const auto type = types.find(symbol.name);
    if (symbol.kind == bpf::Symbol::Kind::kMap && type != types.end()) symbol.map_type = type->second;
  }
}

Result<void> ObjectReader::read_btf() {
  for (uint32_t n = 1; n < elf_.sections.size(); ++n) {
    const ElfSection& s = elf_.sections[n];
    if (s.name == ".BTF" && s.type == SHT_PROGBITS) {
      auto btf = Btf::parse(s.data);
      if (!btf) return fail(btf.error());
      o_.btf_ = std::make_unique<Btf>(std::move(*btf));
      o_.btf_section_ = n;
    } else if (s.name == ".BTF.ext" && s.type == SHT_PROGBITS) {
      auto ext = BtfExt::parse(s.data);
      if (!ext) return fail(ext.error());
      o_.ext_ = std::make_unique<BtfExt>(std::move(*ext));
      o_.ext_section_ = n;
    }
  }
  if (!o_.btf_) o_.ext_ = nullptr, o_.ext_section_ = 0;
  return {};
}

std::vector<ObjectReader::Start> ObjectReader::find_starts(uint32_t n, uint32_t size) const {
  std::vector<Start> starts;
  for (uint8_t type : {uint8_t{STT_FUNC}, uint8_t{STT_NOTYPE}}) {
    for (const ElfSymbol& s : elf_.symbols) {
      if (s.section != n || s.type() != type || s.value % 8 || s.value / 8 >= size) continue;
      if (type == STT_NOTYPE && s.binding() == STB_LOCAL) continue;
      uint64_t length = s.size % 8 == 0 ? s.size / 8 : 0;  // 0: unknown, up to the next symbol
      uint64_t end = length < size - s.value / 8 ? s.value / 8 + length : size;
      starts.push_back({uint32_t(s.value / 8), uint32_t(end), s.name, s.binding() != STB_LOCAL,
                        s.other == STV_HIDDEN || s.other == STV_INTERNAL});
    }
    if (!starts.empty()) break;
  }
  if (starts.empty()) starts.push_back({0, size, elf_.sections[n].name, true, false});
  std::ranges::stable_sort(starts, {}, &Start::begin);
  uint32_t next = size;
  for (size_t k = starts.size(); k-- > 0;) {
    if (k + 1 < starts.size() && starts[k + 1].begin > starts[k].begin) next = starts[k + 1].begin;
    if (starts[k].end == starts[k].begin) starts[k].end = next;
  }
  return starts;
}

Result<void> ObjectReader::read_code(uint32_t n) {
  const ElfSection& section = elf_.sections[n];
  if (section.data.size() % 8)
    return bad("elf-code", format("section `{}` is no whole number of 8-byte instructions", section.name),
               {.section = section.name});
  Object::CodeSection code{.section = n};
  code.insns.resize(section.data.size() / 8);
  if (!section.data.empty())
    std::memcpy(static_cast<void*>(code.insns.data()), section.data.data(), section.data.size());
  uint32_t size = uint32_t(code.insns.size()), at = 0;
  for (const Start& s : find_starts(n, size)) {
    if (s.begin < at) {
      // A second name of the same function, or code that two symbols claim: the first owns it.
      continue;
    }
    if (s.begin > at) code.parts.push_back({.begin = at, .end = s.begin});
    at = s.end;
    bpf::Function fn{.name = s.name, .section = section.name, .section_insn = s.begin};
    fn.is_entry = section.name != ".text";
    fn.is_global = s.is_global && !s.hidden;
    if (fn.is_entry) fn.type = bpf::program_type_of_section(section.name);
    fn.insns.assign(code.insns.begin() + s.begin, code.insns.begin() + s.end);
    bpf::FunctionId id = program_.functions.add(std::move(fn));
    code.parts.push_back({s.begin, s.end, id});
    o_.code_of_function_.push_back(uint32_t(o_.code_.size()));
  }
  // Overlapping symbols with different ends leave code without an owner; it stays as it is.
  std::vector<Object::Part> parts;
  uint32_t covered = 0;
  for (const Object::Part& p : code.parts) parts.push_back(p), covered = p.end;
  if (covered < size) parts.push_back({.begin = covered, .end = size});
  code.parts = std::move(parts);
  o_.code_.push_back(std::move(code));
  return {};
}

void ObjectReader::find_signatures() {
  if (!o_.ext_) return;
  for (const ExtSection& s : o_.ext_->tables[BtfExt::kFuncInfo].sections) {
    for (const ExtRecord& r : s.records) {
      for (const auto& code : o_.code_) {
        if (elf_.sections[code.section].name != o_.btf_->string(s.name)) continue;
        const Object::Part* part = part_at(code, r.offset / 8);
        if (!part || !part->function || part->begin * 8 != r.offset) continue;
        program_.functions[part->function].signature =
            o_.btf_->signature(read_le<uint32_t>(r.rest, 0).value_or(0));
      }
    }
  }
}

bpf::SymbolId ObjectReader::intern(uint32_t elf_symbol, bpf::Symbol symbol, uint32_t type) {
  auto [it, is_new] = interned_.try_emplace({elf_symbol, symbol.function.index, symbol.kind});
  if (is_new) {
    symbol.external = elf_symbol;
    it->second = program_.symbols.add(std::move(symbol));
    o_.relocation_type_.push_back(type);
  }
  return it->second;
}

Result<void> ObjectReader::read_code_relocations(const ElfSection& table) {
  const Object::CodeSection* code = table.info < elf_.sections.size() ? code_section(table.info) : nullptr;
  if (!code) return {};
  auto list = read_relocations(elf_, table);
  if (!list) return fail(list.error());
  const std::string& name = elf_.sections[code->section].name;
  for (size_t n = 0; n < list->size(); ++n) {
    const ElfRelocation& r = (*list)[n];
    const ElfSymbol& symbol = elf_.symbols[r.symbol];
    const Object::Part* part = part_at(*code, r.offset / 8);
    if (r.type != kR64_64 && r.type != kR64_32 && r.type != kR64Abs64 && r.type != kR64Abs32 &&
        r.type != kR64NoDyld32) {
      Error error{.message = format("relocation type {} is not one of BPF's", r.type),
                  .code = "elf-relocation",
                  .where = {.section = name}};
      error.where.insn = int64_t(r.offset / 8);
      error.notes.push_back(format("entry {} of `{}`, symbol `{}`", n, table.name, symbol.name));
      error.help = "link BPF objects with `bpftool gen object`; linkers for other machines damage them";
      return fail(std::move(error));
    }
    if (!part || r.offset % 8)
      return bad("elf-relocation", format("entry {} of `{}` points to no instruction", n, table.name),
                 {.section = name});
    if (!part->function) continue;
    bpf::Function& fn = program_.functions[part->function];
    uint32_t at = uint32_t(r.offset / 8) - part->begin;
    fn.attachments.push_back({at, symbol_of(r, symbol, fn, at)});
  }
  return {};
}

Result<Object> Object::parse(std::vector<uint8_t> bytes, std::string name) {
  Object object;
  auto elf = read_elf(bytes);
  if (elf) {
    object.bytes_ = std::move(bytes);
    object.elf_ = std::move(*elf);
    object.program_.name = name;
    if (auto ok = ObjectReader(object).run(); ok)
      return object;
    else
      elf = fail(ok.error());
  }
  Error error = elf.error();
  error.where.object = name;
  return fail(std::move(error));
}

}  // namespace epass::object
