// From ELF to bpf::Program: functions by symbol, what each instruction refers to, CO-RE records, signatures.

#include <elf.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/format.h"
#include "bpf/program_type.h"
#include "object/object.h"

namespace epass::object {

namespace {

std::unexpected<Error> bad(std::string code, std::string message, Place where = {}) {
  return fail(std::move(code), std::move(message), std::move(where));
}

}  // namespace

class ObjectReader {
 public:
  explicit ObjectReader(Object& out) : o_(out), elf_(out.elf_), program_(out.program_) {}

  Result<void> run() {
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
    return {};
  }

 private:
  Result<void> read_btf() {
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

  struct Start {
    uint32_t begin = 0, end = 0;
    std::string name = {};
    bool is_global = false, hidden = false;
  };

  // Function symbols of the section; in objects of old compilers these have no type.
  std::vector<Start> find_starts(uint32_t n, uint32_t size) const {
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

  Result<void> read_code(uint32_t n) {
    const ElfSection& section = elf_.sections[n];
    if (section.data.size() % 8)
      return bad("elf-code", format("section `{}` is no whole number of 8-byte instructions", section.name),
                 {.section = section.name});
    Object::CodeSection code{.section = n};
    code.insns.resize(section.data.size() / 8);
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

  const Object::CodeSection* code_section(uint32_t section) const {
    auto it = std::ranges::find(o_.code_, section, &Object::CodeSection::section);
    return it == o_.code_.end() ? nullptr : &*it;
  }
  static const Object::Part* part_at(const Object::CodeSection& code, uint64_t insn) {
    auto it = std::ranges::upper_bound(code.parts, insn, {}, &Object::Part::begin);
    if (it == code.parts.begin() || insn >= std::prev(it)->end) return nullptr;
    return &*std::prev(it);
  }

  void find_signatures() {
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

  // One program symbol for each (ELF symbol, function it leads to, use as a callee or as an address).
  bpf::SymbolId intern(uint32_t elf_symbol, bpf::Symbol symbol, uint32_t type) {
    auto [it, is_new] = interned_.try_emplace({elf_symbol, symbol.function.index, symbol.kind});
    if (is_new) {
      symbol.external = elf_symbol;
      it->second = program_.symbols.add(std::move(symbol));
      o_.relocation_type_.push_back(type);
    }
    return it->second;
  }

  Result<void> read_code_relocations(const ElfSection& table) {
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
  void freeze(const Object::CodeSection& code) {
    if (!frozen_.insert(code.section).second) return;
    for (const Object::Part& p : code.parts)
      if (p.function && program_.functions[p.function].keep_reason.empty())
        program_.functions[p.function].keep_reason = "code in its section jumps or calls across functions";
  }

  void fill_targets(bpf::Symbol& symbol, const ElfSymbol& elf_symbol, bpf::Function& fn) {
    const ElfSection& table = elf_.sections[elf_symbol.section];
    auto entries = slice(table.data, elf_symbol.value, elf_symbol.size);
    if (!entries || entries->empty() || entries->size() % 8) {
      fn.keep_reason = format("its jump table `{}` cannot be read", symbol.name);
      return;
    }
    for (uint64_t at = 0; at < entries->size(); at += 8) {
      uint64_t byte = *read_le<uint64_t>(*entries, at);
      uint64_t target = byte / 8 - fn.section_insn;
      if (byte % 8 || byte / 8 < fn.section_insn || target >= fn.insns.size()) {
        fn.keep_reason = format("its jump table `{}` leads outside the function", symbol.name);
        return;
      }
      symbol.targets.push_back(uint32_t(target));
    }
  }

  // Calls within a section need no relocation: their immediate is the distance.
  Result<void> resolve_unrelocated() {
    for (uint32_t c = 0; c < o_.code_.size(); ++c) {
      const Object::CodeSection& code = o_.code_[c];
      for (const Object::Part& part : code.parts) {
        if (!part.function) {
          // What calls from here, or jumps, cannot follow: nothing beside it moves.
          for (uint32_t i = part.begin; i < part.end; ++i)
            if (bpf::is_jmp(code.insns[i].code)) freeze(code);
          continue;
        }
        bpf::Function& fn = program_.functions[part.function];
        std::vector<uint8_t> attached(fn.insns.size());
        for (const bpf::Attachment& a : fn.attachments) attached[a.insn] = 1;
        for (uint32_t i = 0; i < fn.insns.size(); i += bpf::records(fn.insns[i])) {
          bpf::Insn insn = fn.insns[i];
          bool call = insn.code == bpf::kCodeCall && insn.src() == bpf::kLocalCall;
          bool address = bpf::is_ld_imm64(insn) && insn.src() == bpf::kFuncPtr;
          if (leaves(fn, i)) freeze(code);
          if (attached[i]) continue;
          if (!call && !address) {
            if (bpf::is_ld_imm64(insn) && insn.src())
              attach_number(fn, i, insn);
            else if (insn.code == bpf::kCodeCall && insn.src() == bpf::kKfuncCall)
              attach_number(fn, i, insn);
            continue;
          }
          int64_t target = int64_t(part.begin) + i + 1 + insn.imm;
          const Object::Part* to = target >= 0 ? part_at(code, uint64_t(target)) : nullptr;
          if (!to || !to->function || to->begin != target) {
            fn.keep_reason = format("instruction {} calls no known function", i);
            freeze(code);
            continue;
          }
          if (address)
            program_.functions[to->function].is_callback = true;
          else
            called_.push_back(to->function);
          auto [it, is_new] = local_.try_emplace(to->function.index);
          if (is_new) {
            it->second = program_.symbols.add({.kind = bpf::Symbol::Kind::kFunc,
                                               .name = program_.functions[to->function].name,
                                               .function = to->function});
            o_.relocation_type_.push_back(0);
          }
          fn.attachments.push_back({i, it->second});
        }
      }
    }
    // A function in a program's section that others call is a subprogram.
    for (bpf::FunctionId id : called_) {
      bpf::Function& fn = program_.functions[id];
      fn.is_entry = false;
    }
    for (uint32_t n = 0; n < program_.functions.size(); ++n) {
      bpf::Function& fn = program_.functions[bpf::FunctionId{n}];
      if (fn.section.starts_with("freplace") || fn.section.starts_with("?freplace")) fn.is_entry = false;
    }
    return {};
  }

  static bool leaves(const bpf::Function& fn, uint32_t i) {
    bpf::Insn insn = fn.insns[i];
    if (!bpf::is_conditional_jump(insn.code) && !bpf::is_unconditional_jump(insn.code)) return false;
    int64_t target = bpf::jump_target(insn, i);
    return target < 0 || target >= int64_t(fn.insns.size());
  }

  // A number that only the kernel or a loader understands.
  void attach_number(bpf::Function& fn, uint32_t i, bpf::Insn insn) {
    bool call = !bpf::is_ld_imm64(insn);
    bpf::Symbol symbol{.kind = call ? bpf::Symbol::Kind::kKfunc : bpf::Symbol::Kind::kOther};
    symbol.name = format("{}{}#{}", call ? "kfunc" : "pseudo", insn.src(), insn.imm);
    auto [it, is_new] = numbers_.try_emplace(symbol.name);
    if (is_new) {
      it->second = program_.symbols.add(std::move(symbol));
      o_.relocation_type_.push_back(0);
    }
    fn.attachments.push_back({i, it->second});
  }

  Result<void> sort_attachments() {
    for (uint32_t n = 0; n < program_.functions.size(); ++n) {
      bpf::Function& fn = program_.functions[bpf::FunctionId{n}];
      std::ranges::stable_sort(fn.attachments, {}, &bpf::Attachment::insn);
      auto twice = std::ranges::adjacent_find(fn.attachments, {}, &bpf::Attachment::insn);
      if (twice == fn.attachments.end()) continue;
      return bad("elf-relocation", "two relocations for one instruction",
                 {.section = fn.section, .function = fn.name, .insn = twice->insn});
    }
    return {};
  }

  void find_jump_tables() {
    for (uint32_t n = 0; n < program_.functions.size(); ++n) {
      bpf::Function& fn = program_.functions[bpf::FunctionId{n}];
      bool table = std::ranges::any_of(fn.attachments, [&](const bpf::Attachment& a) {
        return program_.symbols[a.symbol].kind == bpf::Symbol::Kind::kJumpTable;
      });
      for (uint32_t i = 0; i < fn.insns.size() && !table; i += bpf::records(fn.insns[i]))
        if (fn.insns[i].code == bpf::kCodeGotox)
          fn.keep_reason = "an indirect jump without a known jump table";
    }
  }

  void find_core_records() {
    if (!o_.ext_) return;
    const ExtTable& table = o_.ext_->tables[BtfExt::kCoreRelo];
    for (uint32_t s = 0; s < table.sections.size(); ++s) {
      for (uint32_t r = 0; r < table.sections[s].records.size(); ++r) {
        uint32_t id = uint32_t(o_.core_places_.size());
        o_.core_places_.push_back({s, r});
        for (const auto& code : o_.code_) {
          if (elf_.sections[code.section].name != o_.btf_->string(table.sections[s].name)) continue;
          uint32_t insn = table.sections[s].records[r].offset / 8;
          const Object::Part* part = part_at(code, insn);
          if (part && part->function)
            program_.functions[part->function].core.push_back({insn - part->begin, id});
        }
      }
    }
    for (uint32_t n = 0; n < program_.functions.size(); ++n) {
      auto& core = program_.functions[bpf::FunctionId{n}].core;
      std::ranges::stable_sort(core, {}, &bpf::CoreRecord::insn);
      for (size_t k = 1; k < core.size(); ++k)
        if (core[k].insn == core[k - 1].insn)
          program_.functions[bpf::FunctionId{n}].keep_reason = "two CO-RE records on one instruction";
    }
  }

  // Pointers to functions in data.
  void find_address_taken() {
    for (const ElfSection& table : elf_.sections) {
      if (table.type != SHT_REL || table.info >= elf_.sections.size() || code_section(table.info)) continue;
      const std::string& target = elf_.sections[table.info].name;
      if (target.starts_with(".debug") || target.starts_with(".BTF")) continue;
      auto list = read_relocations(elf_, table);
      if (!list) continue;
      for (const ElfRelocation& r : *list) {
        const ElfSymbol& symbol = elf_.symbols[r.symbol];
        const Object::CodeSection* code = code_section(symbol.section);
        if (!code) continue;
        Bytes data = elf_.sections[table.info].data;
        uint64_t addend = r.type == kR64Abs64 ? read_le<uint64_t>(data, r.offset).value_or(0)
                                              : read_le<uint32_t>(data, r.offset).value_or(0);
        const Object::Part* part = part_at(*code, symbol.value / 8 + addend / 8);
        if (part && part->function && !program_.functions[part->function].is_entry)
          program_.functions[part->function].is_callback = true;
      }
    }
  }

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
