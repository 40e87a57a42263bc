#pragma once
// An ELF relocatable object as plain data: sections, symbols, relocations. Everything is bounds-checked when
// read.

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace epass::object {

struct ElfSection {
  std::string name = {};
  uint32_t name_offset = 0;  // in the section names
  uint32_t type = 0;
  uint64_t flags = 0;
  uint64_t address = 0;
  uint32_t link = 0, info = 0;
  uint64_t align = 0, entry_size = 0;
  uint64_t size = 0;  // of NOBITS sections; else data.size()
  std::vector<uint8_t> data = {};
  bool dropped = false;  // left out when written
};

struct ElfSymbol {
  std::string name = {};
  uint32_t name_offset = 0;
  uint8_t info = 0, other = 0;
  uint16_t section = 0;  // index, or a reserved one
  uint64_t value = 0, size = 0;
  bool dropped = false;  // left out when written
  uint8_t type() const { return info & 15; }
  uint8_t binding() const { return info >> 4; }
};

struct ElfRelocation {
  uint64_t offset = 0;
  uint32_t symbol = 0;
  uint32_t type = 0;
};

// Relocation types of BPF (LLVM, llvm/docs and Documentation/bpf/llvm_reloc.rst).
enum RelocationType : uint32_t { kR64_64 = 1, kR64Abs64 = 2, kR64Abs32 = 3, kR64NoDyld32 = 4, kR64_32 = 10 };

struct ElfFile {
  std::vector<ElfSection> sections;  // [0] is the empty one
  std::vector<ElfSymbol> symbols;    // [0] is the empty one
  uint32_t symbol_table = 0;         // section index, 0 none
  uint32_t section_names = 0;
  uint16_t machine = 0;
  uint32_t flags = 0;
};

// Errors: elf-truncated, elf-endian, elf-class, elf-machine, elf-type, elf-corrupt.
Result<ElfFile> read_elf(Bytes bytes);
Result<std::vector<ElfRelocation>> read_relocations(const ElfFile& elf, const ElfSection& section);
void write_relocations(ElfSection& section, const std::vector<ElfRelocation>& relocations);

// Sections that are `dropped` go with their symbols; indices are renumbered everywhere. Nothing that stays
// may refer to a symbol that is dropped.
Result<std::vector<uint8_t>> write_elf(ElfFile elf);

}  // namespace epass::object
