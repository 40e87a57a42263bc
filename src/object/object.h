#pragma once
// A BPF object file: its programs as the compiler sees them, and the file again after functions got new code.

#include <map>
#include <memory>
#include <set>

#include "object/btf.h"
#include "object/elf.h"

namespace epass::object {

struct WriteOptions {
  bool keep_dwarf = false;  // .debug_* sections describe the old code; kept only on request
  // Functions that are left out: nothing that is written may refer to them.
  std::set<bpf::FunctionId> dropped = {};
};

struct Map {
  std::string name = {};
  bool legacy = false;                                                          // SEC("maps") instead of BTF
  uint32_t type = 0, key_size = 0, value_size = 0, max_entries = 0, flags = 0;  // 0 also if unknown
  uint32_t inner_index = UINT32_MAX;  // maps of maps: the inner one, in order of the maps, if it is known
  // What the object puts into its slots: programs or maps, by name.
  std::vector<std::pair<uint32_t, std::string>> slots = {};
};

bool is_map_section(std::string_view name);
// In the order of their sections.
std::vector<Map> read_maps(const ElfFile& elf, const Btf* btf);

struct SourceLine {
  uint32_t insn = 0;  // first record of the function that belongs to it
  std::string_view file = {}, text = {};
  uint32_t line = 0, column = 0;
};

// Whether a section holds variables that a loader may set and programs only read.
inline bool is_rodata(std::string_view section) {
  return section == ".rodata" || section.starts_with(".rodata.");
}

class Object {
 public:
  // Errors: elf-*, btf-corrupt.
  static Result<Object> parse(std::vector<uint8_t> bytes, std::string name);

  const bpf::Program& program() const { return program_; }
  const std::vector<uint8_t>& bytes() const { return bytes_; }
  const std::vector<Map>& maps() const { return maps_; }
  std::string license() const;
  // Of data symbols: the section they lie in, its bytes, and their offset in it.
  std::string section_of(const bpf::Symbol& symbol) const;
  Bytes section_data(const std::string& name) const;
  uint64_t symbol_offset(bpf::SymbolId id) const;
  // Says of data in .rodata and .rodata.*, in the symbols, that nobody will change it: Symbol::frozen. The
  // bytes stay the object's.
  void freeze_rodata();
  // Sorted by instruction; empty without BTF.
  std::vector<SourceLine> source_lines(bpf::FunctionId id) const;
  // What CO-RE record `id` does, as `byte_off task_struct::pid`.
  std::string core_text(uint32_t id) const;

  // The object with new code for some functions. With none: the bytes that were read.
  Result<std::vector<uint8_t>> write(const std::map<bpf::FunctionId, bpf::NewCode>& changed,
                                     WriteOptions options = {}) const;

 private:
  friend class ObjectReader;
  friend class ObjectWriter;

  // A stretch of a code section: a function, or bytes that belong to none.
  struct Part {
    uint32_t begin = 0, end = 0;  // records in the section
    bpf::FunctionId function = {};
  };
  struct CodeSection {
    uint32_t section = 0;
    std::vector<Part> parts = {};
    std::vector<bpf::Insn> insns = {};
  };
  // Where a CO-RE record stands in .BTF.ext.
  struct CorePlace {
    uint32_t section = 0, record = 0;  // in the core table
  };

  std::vector<uint8_t> bytes_;
  ElfFile elf_;
  bpf::Program program_;
  std::vector<CodeSection> code_;
  std::vector<Map> maps_;
  std::unique_ptr<Btf> btf_;
  std::unique_ptr<BtfExt> ext_;
  uint32_t btf_section_ = 0, ext_section_ = 0;
  std::vector<CorePlace> core_places_;
  std::vector<uint32_t> relocation_type_;   // per symbol of the program: of its relocations
  std::vector<uint32_t> code_of_function_;  // index in code_
};

}  // namespace epass::object
