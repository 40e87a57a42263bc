#pragma once
#include <elf.h>

#include <algorithm>

#include "base/format.h"
#include "object/lines.h"
#include "object/object.h"

namespace epass::object {

// Makes an object around new code. writer.cc: code, relocations, symbols; write_ext.cc: BTF.ext.
class ObjectWriter {
 public:
  ObjectWriter(const Object& object, const std::map<bpf::FunctionId, bpf::NewCode>& changed,
               const WriteOptions& options)
      : o_(object), changed_(changed), options_(options), elf_(object.elf_) {}

  Result<std::vector<uint8_t>> run();

 private:
  const bpf::NewCode* new_code(bpf::FunctionId id) const {
    auto it = id ? changed_.find(id) : changed_.end();
    return it == changed_.end() ? nullptr : &it->second;
  }
  bool is_dropped(const Object::Part& part) const {
    return part.function && options_.dropped.contains(part.function);
  }
  const std::string& name_of_code(size_t c) const { return elf_.sections[o_.code_[c].section].name; }

  void drop_dwarf();
  // New start of every part, in records of its section.
  void place_functions();
  // The new place of record `insn` of code section `c`.
  uint32_t moved(size_t c, uint32_t insn) const;
  const Object::Part* part_of(size_t c, uint32_t insn) const;
  const size_t* code_index(uint32_t section) const;
  Result<void> write_code(size_t c);
  // Lets the instruction at record `at` of section `c` refer to the function that `symbol` names.
  void refer_to_function(size_t c, uint32_t at, bpf::Insn& insn, const bpf::Symbol& symbol);
  // The ELF symbol of the function, 0 if it has none.
  uint32_t symbol_of(bpf::FunctionId id) const;
  Result<void> write_relocation_tables();
  // Data that points into code through the section's symbol carries the offset itself.
  Result<void> move_addends(ElfSection& table);
  Result<void> write_jump_tables();
  void move_symbols();
  // The new place of an end: of the part that ends there, or of the record.
  uint32_t end_of(size_t c, uint32_t end) const;

  Result<void> write_btf_ext();
  // Remembers in each record which symbol its entry of .rel.BTF.ext named.
  void note_relocations(BtfExt& ext, const std::vector<ElfRelocation>& old);
  // Sections that had no CO-RE records may get some with code of other sections.
  void add_core_sections(BtfExt& ext) const;
  void find_lines(const BtfExt& ext);
  std::vector<ExtRecord> move_functions(size_t c, const std::vector<ExtRecord>& old) const;
  std::vector<ExtRecord> move_lines(size_t c, const std::vector<ExtRecord>& old) const;
  std::vector<ExtRecord> move_core(size_t c, const ExtTable& table, uint32_t section) const;

  const Object& o_;
  const std::map<bpf::FunctionId, bpf::NewCode>& changed_;
  const WriteOptions& options_;
  ElfFile elf_;
  std::vector<std::vector<uint32_t>> starts_;
  std::vector<uint32_t> function_start_, new_size_;
  std::map<uint32_t, std::vector<uint32_t>> moved_;
  std::map<size_t, std::vector<ElfRelocation>> relocations_;
  std::vector<ExtSection> core_symbols_;
  std::vector<std::vector<ExtRecord>> lines_;  // of each input function
  std::vector<OldLines> old_lines_;            // views of `lines_`
  mutable size_t found_ = 0;
};

}  // namespace epass::object
