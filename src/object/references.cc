// What refers to functions and instructions without a relocation in their section: calls by distance, jump
// tables, CO-RE records, pointers in data.

#include "object/reader.h"

namespace epass::object {

void ObjectReader::freeze(const Object::CodeSection& code) {
  if (!frozen_.insert(code.section).second) return;
  for (const Object::Part& p : code.parts)
    if (p.function && program_.functions[p.function].keep_reason.empty())
      program_.functions[p.function].keep_reason = "code in its section jumps or calls across functions";
}

void ObjectReader::fill_targets(bpf::Symbol& symbol, const ElfSymbol& elf_symbol, bpf::Function& fn) {
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

Result<void> ObjectReader::resolve_unrelocated() {
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

bool ObjectReader::leaves(const bpf::Function& fn, uint32_t i) {
  bpf::Insn insn = fn.insns[i];
  if (!bpf::is_conditional_jump(insn.code) && !bpf::is_unconditional_jump(insn.code)) return false;
  int64_t target = bpf::jump_target(insn, i);
  return target < 0 || target >= int64_t(fn.insns.size());
}

void ObjectReader::attach_number(bpf::Function& fn, uint32_t i, bpf::Insn insn) {
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

Result<void> ObjectReader::sort_attachments() {
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

void ObjectReader::find_jump_tables() {
  for (uint32_t n = 0; n < program_.functions.size(); ++n) {
    bpf::Function& fn = program_.functions[bpf::FunctionId{n}];
    bool table = std::ranges::any_of(fn.attachments, [&](const bpf::Attachment& a) {
      return program_.symbols[a.symbol].kind == bpf::Symbol::Kind::kJumpTable;
    });
    for (uint32_t i = 0; i < fn.insns.size() && !table; i += bpf::records(fn.insns[i]))
      if (fn.insns[i].code == bpf::kCodeGotox) fn.keep_reason = "an indirect jump without a known jump table";
  }
}

void ObjectReader::find_core_records() {
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

void ObjectReader::find_address_taken() {
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

}  // namespace epass::object
