#pragma once
// Just enough of BTF (Documentation/bpf/btf.rst): names, function prototypes, and .BTF.ext as records.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "bpf/program.h"

namespace epass::object {

class Btf {
 public:
  // Errors: btf-corrupt.
  static Result<Btf> parse(std::vector<uint8_t> data);

  std::string_view string(uint32_t offset) const;
  uint32_t type_count() const { return uint32_t(offsets_.size()); }  // id 0 is void
  std::string_view type_name(uint32_t id) const;
  // The prototype of FUNC type `id`.
  std::optional<bpf::Signature> signature(uint32_t id) const;
  std::optional<bpf::Signature> signature_of(std::string_view function) const;
  // What a CO-RE record refers to, as `task_struct::pid`.
  std::string access_text(uint32_t type_id, std::string_view access) const;
  // Byte offsets of the name fields of members `name` in structures that define maps (they have a pointer
  // `type`).
  std::vector<uint64_t> map_members(std::string_view name) const;

  // Types of global variables, by name.
  std::map<std::string_view, uint32_t> variables() const;
  // What member `name` of map definition `id` says: a number, or the size of the type it points to.
  std::optional<uint32_t> map_number(uint32_t id, std::string_view name) const;
  // Where the slots that map definition `id` fills begin, in bytes from its start.
  std::optional<uint32_t> map_values_offset(uint32_t id) const;

 private:
  uint32_t skip_modifiers(uint32_t id) const;
  std::optional<uint32_t> size_of(uint32_t id) const;
  struct Type {
    uint32_t name = 0, info = 0, size_or_type = 0;
    uint32_t kind() const { return info >> 24 & 0x1f; }
    uint32_t count() const { return info & 0xffff; }
  };
  Type type(uint32_t id) const;
  std::vector<uint8_t> data_;
  Bytes strings_ = {};
  std::vector<uint32_t> offsets_;  // byte offset of each type in data_
};

// One record of .BTF.ext: its instruction offset in bytes, and the rest as it is.
struct ExtRecord {
  uint32_t offset = 0;
  std::vector<uint8_t> rest = {};
  uint32_t relocation_symbol = 0;  // of its entry in .rel.BTF.ext, 0 none
};
struct ExtSection {
  uint32_t name = 0;  // in the strings of BTF
  std::vector<ExtRecord> records = {};
};
struct ExtTable {
  uint32_t record_size = 0;
  std::vector<ExtSection> sections = {};
};

struct BtfExt {
  enum Kind { kFuncInfo, kLineInfo, kCoreRelo };
  uint32_t header_length = 0;
  std::vector<uint8_t> header = {};
  ExtTable tables[3] = {};

  static Result<BtfExt> parse(Bytes data);
  // `relocations`, if given, gets (byte offset, symbol) of every record that had one.
  std::vector<uint8_t> print(std::vector<std::pair<uint64_t, uint32_t>>* relocations) const;
};

// struct bpf_line_info after insn_off.
struct LineRecord {
  uint32_t file = 0, text = 0, line = 0, column = 0;
};
std::optional<LineRecord> line_record(const ExtRecord& record);

}  // namespace epass::object
