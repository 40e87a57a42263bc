// Reading BTF and .BTF.ext; every offset is checked, since objects may be damaged.

#include "object/btf.h"

#include <charconv>

#include "base/format.h"

namespace epass::object {
namespace {

enum Kind : uint32_t {
  kInt = 1,
  kPtr = 2,
  kArray = 3,
  kStruct = 4,
  kUnion = 5,
  kEnum = 6,
  kTypedef = 8,
  kRestrict = 11,
  kFunc = 12,
  kFuncProto = 13,
  kVar = 14,
  kDatasec = 15,
  kFloat = 16,
  kDeclTag = 17,
  kTypeTag = 18,
  kEnum64 = 19,
  kLastKind = 19,
};

std::unexpected<Error> corrupt(std::string message, int64_t byte = -1) {
  return fail("btf-corrupt", std::move(message), {.byte = byte});
}

// Bytes that follow the 12 of every type.
uint64_t extra_bytes(uint32_t kind, uint32_t count) {
  switch (kind) {
    case kInt:
    case kVar:
    case kDeclTag: return 4;
    case kArray: return 12;
    case kStruct:
    case kUnion:
    case kDatasec:
    case kEnum64: return uint64_t(count) * 12;
    case kEnum:
    case kFuncProto: return uint64_t(count) * 8;
    default: return 0;
  }
}

}  // namespace

Result<Btf> Btf::parse(std::vector<uint8_t> data) {
  Btf btf;
  btf.data_ = std::move(data);
  Bytes all = btf.data_;
  auto magic = read_le<uint16_t>(all, 0);
  auto header = read_le<uint32_t>(all, 4), type_off = read_le<uint32_t>(all, 8),
       type_len = read_le<uint32_t>(all, 12), string_off = read_le<uint32_t>(all, 16),
       string_len = read_le<uint32_t>(all, 20);
  if (!string_len || *magic != 0xeb9f) return corrupt(".BTF does not begin with a BTF header", 0);
  auto types = slice(all, uint64_t(*header) + *type_off, *type_len),
       strings = slice(all, uint64_t(*header) + *string_off, *string_len);
  if (!types || !strings) return corrupt(".BTF ends before its types and strings");
  if (strings->empty() || strings->back() != 0) return corrupt("the strings of .BTF have no end");
  btf.strings_ = *strings;
  uint64_t base = uint64_t(types->data() - all.data());
  btf.offsets_.push_back(0);
  for (uint64_t at = 0; at < types->size();) {
    auto info = read_le<uint32_t>(*types, at + 4);
    if (!info || types->size() - at < 12) return corrupt("a type of .BTF is cut off", int64_t(base + at));
    uint32_t kind = *info >> 24 & 0x1f;
    if (kind == 0 || kind > kLastKind)
      return corrupt(format("type {} of .BTF has kind {}, which is not known", btf.offsets_.size(), kind),
                     int64_t(base + at));
    uint64_t length = 12 + extra_bytes(kind, *info & 0xffff);
    if (types->size() - at < length) return corrupt("a type of .BTF is cut off", int64_t(base + at));
    btf.offsets_.push_back(uint32_t(base + at));
    at += length;
  }
  return btf;
}

Btf::Type Btf::type(uint32_t id) const {
  if (id == 0 || id >= offsets_.size()) return {};
  uint64_t at = offsets_[id];
  return {*read_le<uint32_t>(data_, at), *read_le<uint32_t>(data_, at + 4),
          *read_le<uint32_t>(data_, at + 8)};
}

std::string_view Btf::string(uint32_t offset) const {
  if (offset >= strings_.size()) return {};
  return reinterpret_cast<const char*>(strings_.data()) + offset;  // the table ends with a zero
}

std::string_view Btf::type_name(uint32_t id) const { return string(type(id).name); }

std::optional<bpf::Signature> Btf::signature(uint32_t id) const {
  Type fn = type(id);
  if (fn.kind() != kFunc) return std::nullopt;
  Type proto = type(fn.size_or_type);
  if (proto.kind() != kFuncProto) return std::nullopt;
  return bpf::Signature{.args = uint8_t(std::min<uint32_t>(proto.count(), 255)),
                        .returns_void = proto.size_or_type == 0};
}

std::optional<bpf::Signature> Btf::signature_of(std::string_view function) const {
  for (uint32_t id = 1; id < offsets_.size(); ++id)
    if (type(id).kind() == kFunc && type_name(id) == function) return signature(id);
  return std::nullopt;
}

std::string Btf::access_text(uint32_t id, std::string_view access) const {
  std::string text(type_name(id));
  bool first = true;
  for (uint32_t depth = 0; !access.empty() && depth < 16; ++depth) {
    size_t end = access.find(':');
    uint32_t index = 0;
    std::from_chars(access.data(), access.data() + std::min(end, access.size()), index);
    access.remove_prefix(end == access.npos ? access.size() : end + 1);
    if (std::exchange(first, false)) continue;  // the first step indexes the pointer
    Type t = type(id);
    for (int k = 0; k < 16 && (t.kind() >= 8 && t.kind() <= 11); ++k) id = t.size_or_type, t = type(id);
    if (t.kind() == kArray) {
      text += format("[{}]", index);
      id = read_le<uint32_t>(data_, offsets_[id] + 12).value_or(0);
    } else if ((t.kind() == kStruct || t.kind() == kUnion) && index < t.count()) {
      uint64_t member = offsets_[id] + 12 + uint64_t(index) * 12;
      std::string_view name = string(read_le<uint32_t>(data_, member).value_or(0));
      id = read_le<uint32_t>(data_, member + 4).value_or(0);
      if (!name.empty()) text += format("::{}", name);
    } else {
      break;
    }
  }
  return text;
}

std::vector<uint64_t> Btf::map_members(std::string_view name) const {
  std::vector<uint64_t> found;
  for (uint32_t id = 1; id < offsets_.size(); ++id) {
    Type t = type(id);
    if (t.kind() != kStruct) continue;
    bool defines_map = false;
    std::vector<uint64_t> members;
    for (uint32_t n = 0; n < t.count(); ++n) {
      uint64_t at = offsets_[id] + 12 + uint64_t(n) * 12;
      std::string_view member = string(*read_le<uint32_t>(data_, at));
      defines_map |= member == "type" && type(*read_le<uint32_t>(data_, at + 4)).kind() == kPtr;
      if (member == name) members.push_back(at);
    }
    if (defines_map) found.insert(found.end(), members.begin(), members.end());
  }
  return found;
}

std::map<std::string_view, uint32_t> Btf::variables() const {
  std::map<std::string_view, uint32_t> found;
  for (uint32_t id = 1; id < offsets_.size(); ++id)
    if (type(id).kind() == kVar) found.try_emplace(type_name(id), type(id).size_or_type);
  return found;
}

// Typedefs and qualifiers off; damaged types may form a circle.
uint32_t Btf::skip_modifiers(uint32_t id) const {
  for (int k = 0; k < 32; ++k) {
    Type t = type(id);
    if ((t.kind() < kTypedef || t.kind() > kRestrict) && t.kind() != kTypeTag) break;
    id = t.size_or_type;
  }
  return id;
}

std::optional<uint32_t> Btf::size_of(uint32_t id) const {
  uint64_t count = 1;
  for (int k = 0; k < 32; ++k) {
    id = skip_modifiers(id);
    Type t = type(id);
    switch (t.kind()) {
      case kPtr: return uint32_t(count * 8);
      case kInt:
      case kStruct:
      case kUnion:
      case kEnum:
      case kFloat:
      case kEnum64: return uint32_t(count * t.size_or_type);
      case kArray:
        count *= read_le<uint32_t>(data_, offsets_[id] + 20).value_or(0);
        id = read_le<uint32_t>(data_, offsets_[id] + 12).value_or(0);
        break;
      default: return std::nullopt;
    }
  }
  return std::nullopt;
}

std::optional<uint32_t> Btf::map_number(uint32_t id, std::string_view name) const {
  id = skip_modifiers(id);
  Type map = type(id);
  if (map.kind() != kStruct) return std::nullopt;
  for (uint32_t n = 0; n < map.count(); ++n) {
    uint64_t at = offsets_[id] + 12 + uint64_t(n) * 12;
    if (string(*read_le<uint32_t>(data_, at)) != name) continue;
    uint32_t member = skip_modifiers(*read_le<uint32_t>(data_, at + 4));
    if (type(member).kind() != kPtr) return std::nullopt;
    if (name == "key" || name == "value") return size_of(type(member).size_or_type);
    uint32_t array = skip_modifiers(type(member).size_or_type);  // a number is the length of an array
    if (type(array).kind() != kArray) return std::nullopt;
    return read_le<uint32_t>(data_, offsets_[array] + 20);
  }
  return std::nullopt;
}

std::optional<uint32_t> Btf::map_values_offset(uint32_t id) const {
  id = skip_modifiers(id);
  Type map = type(id);
  if (map.kind() != kStruct) return std::nullopt;
  for (uint32_t n = 0; n < map.count(); ++n) {
    uint64_t at = offsets_[id] + 12 + uint64_t(n) * 12;
    if (string(*read_le<uint32_t>(data_, at)) == "values") return *read_le<uint32_t>(data_, at + 8) / 8;
  }
  return std::nullopt;
}

Result<BtfExt> BtfExt::parse(Bytes data) {
  BtfExt ext;
  auto magic = read_le<uint16_t>(data, 0);
  auto length = read_le<uint32_t>(data, 4);
  if (!length || *magic != 0xeb9f || *length < 24)
    return corrupt(".BTF.ext does not begin with its header", 0);
  auto header = slice(data, 0, *length);
  if (!header) return corrupt(".BTF.ext ends in its header");
  ext.header_length = *length;
  ext.header.assign(header->begin(), header->end());
  for (int kind = 0; kind < 3; ++kind) {
    auto at = read_le<uint32_t>(*header, uint64_t(8 + 8 * kind)),
         size = read_le<uint32_t>(*header, uint64_t(12 + 8 * kind));
    if (!size || *size == 0) continue;
    auto table = slice(data, uint64_t(*length) + *at, *size);
    if (!table) return corrupt(".BTF.ext ends before its records");
    ExtTable& out = ext.tables[kind];
    auto record = read_le<uint32_t>(*table, 0);
    if (!record || *record < 8 || *record > 256 || *record % 4)
      return corrupt("records of .BTF.ext have an unknown size");
    out.record_size = *record;
    for (uint64_t pos = 4; pos < table->size();) {
      auto name = read_le<uint32_t>(*table, pos), count = read_le<uint32_t>(*table, pos + 4);
      if (!count) return corrupt(".BTF.ext is cut off");
      pos += 8;
      if ((table->size() - pos) / *record < *count) return corrupt(".BTF.ext is cut off");
      ExtSection section{.name = *name};
      for (uint32_t n = 0; n < *count; ++n, pos += *record) {
        ExtRecord r{.offset = *read_le<uint32_t>(*table, pos)};
        r.rest.assign(table->begin() + int64_t(pos) + 4, table->begin() + int64_t(pos) + *record);
        section.records.push_back(std::move(r));
      }
      out.sections.push_back(std::move(section));
    }
  }
  return ext;
}

std::vector<uint8_t> BtfExt::print(std::vector<std::pair<uint64_t, uint32_t>>* relocations) const {
  std::vector<uint8_t> out = header;
  for (int kind = 0; kind < 3; ++kind) {
    uint64_t field = uint64_t(8 + 8 * kind);
    if (field + 8 > header.size()) continue;
    uint64_t begin = out.size();
    const ExtTable& table = tables[kind];
    if (table.record_size) {
      append_le<uint32_t>(out, table.record_size);
      for (const ExtSection& section : table.sections) {
        if (section.records.empty()) continue;
        append_le<uint32_t>(out, section.name);
        append_le<uint32_t>(out, uint32_t(section.records.size()));
        for (const ExtRecord& r : section.records) {
          if (r.relocation_symbol && relocations) relocations->push_back({out.size(), r.relocation_symbol});
          append_le<uint32_t>(out, r.offset);
          out.insert(out.end(), r.rest.begin(), r.rest.end());
        }
      }
      if (out.size() == begin + 4) out.resize(begin);  // no section left
    }
    write_le<uint32_t>(out, field, uint32_t(begin - header_length));
    write_le<uint32_t>(out, field + 4, uint32_t(out.size() - begin));
  }
  return out;
}

std::optional<LineRecord> line_record(const ExtRecord& record) {
  auto file = read_le<uint32_t>(record.rest, 0), text = read_le<uint32_t>(record.rest, 4),
       position = read_le<uint32_t>(record.rest, 8);
  if (!position) return std::nullopt;
  return LineRecord{*file, *text, *position >> 10, *position & 0x3ff};
}

}  // namespace epass::object
