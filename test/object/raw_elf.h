#pragma once
// A second, plain reader of ELF objects for the tests of object/: it shares no code with what it judges and
// trusts its input.

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace epass::test {

using Bytes = std::vector<uint8_t>;

template <class T>
T at(const Bytes& bytes, uint64_t offset) {
  T value{};
  if (offset <= bytes.size() && bytes.size() - offset >= sizeof value)
    std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

struct RawSection {
  std::string name = {};
  Elf64_Shdr header = {};
  Bytes data = {};
  bool is_code() const {
    return header.sh_type == SHT_PROGBITS && header.sh_flags & SHF_EXECINSTR && !data.empty();
  }
};
struct RawSymbol {
  std::string name = {}, section = {};
  Elf64_Sym entry = {};
  int type() const { return ELF64_ST_TYPE(entry.st_info); }
};
struct RawRelocation {
  uint64_t offset = 0;
  uint32_t symbol = 0, type = 0;
};

struct RawElf {
  std::vector<RawSection> sections = {};
  std::vector<RawSymbol> symbols = {};

  explicit RawElf(const Bytes& bytes) {
    auto header = at<Elf64_Ehdr>(bytes, 0);
    for (unsigned n = 0; n < header.e_shnum; ++n) {
      RawSection s{.header = at<Elf64_Shdr>(bytes, header.e_shoff + n * sizeof(Elf64_Shdr))};
      if (s.header.sh_type != SHT_NOBITS && s.header.sh_type != SHT_NULL)
        s.data.assign(bytes.begin() + int64_t(s.header.sh_offset),
                      bytes.begin() + int64_t(s.header.sh_offset + s.header.sh_size));
      sections.push_back(std::move(s));
    }
    for (RawSection& s : sections) s.name = text(header.e_shstrndx, s.header.sh_name);
    for (const RawSection& s : sections) {
      if (s.header.sh_type != SHT_SYMTAB) continue;
      for (uint64_t k = 0; k < s.data.size(); k += sizeof(Elf64_Sym)) {
        auto entry = at<Elf64_Sym>(s.data, k);
        std::string section = entry.st_shndx < sections.size() ? sections[entry.st_shndx].name : "";
        symbols.push_back({text(s.header.sh_link, entry.st_name), section, entry});
      }
    }
  }
  std::string text(uint32_t section, uint64_t offset) const {
    const Bytes& data = sections[section].data;
    return offset < data.size() ? reinterpret_cast<const char*>(data.data() + offset) : "";
  }
  const RawSection* find(const std::string& name) const {
    for (const RawSection& s : sections)
      if (s.name == name) return &s;
    return nullptr;
  }
  // Of the section with that index.
  std::vector<RawRelocation> relocations(size_t index) const {
    std::vector<RawRelocation> out;
    for (const RawSection& s : sections) {
      if (s.header.sh_type != SHT_REL || s.header.sh_info != index) continue;
      for (uint64_t k = 0; k < s.data.size(); k += sizeof(Elf64_Rel)) {
        auto r = at<Elf64_Rel>(s.data, k);
        out.push_back({r.r_offset, uint32_t(ELF64_R_SYM(r.r_info)), uint32_t(ELF64_R_TYPE(r.r_info))});
      }
    }
    return out;
  }
};

// .BTF.ext: per kind (functions, lines, CO-RE) and section name, the records as (byte offset, rest).
struct RawExt {
  using Records = std::vector<std::pair<uint32_t, Bytes>>;
  std::map<std::string, Records> tables[3] = {};

  explicit RawExt(const RawElf& elf) {
    const RawSection *btf = elf.find(".BTF"), *ext = elf.find(".BTF.ext");
    if (!btf || !ext) return;
    uint32_t strings = at<uint32_t>(btf->data, 4) + at<uint32_t>(btf->data, 16);
    uint32_t base = at<uint32_t>(ext->data, 4);
    for (uint32_t kind = 0; kind < 3 && 16 + 8 * kind <= base; ++kind) {
      uint32_t pos = base + at<uint32_t>(ext->data, 8 + 8 * kind);
      uint32_t end = pos + at<uint32_t>(ext->data, 12 + 8 * kind);
      uint32_t size = at<uint32_t>(ext->data, pos);
      for (pos += 4; pos + 8 <= end;) {
        uint32_t name = strings + at<uint32_t>(ext->data, pos), count = at<uint32_t>(ext->data, pos + 4);
        pos += 8;
        Records& records = tables[kind][reinterpret_cast<const char*>(btf->data.data() + name)];
        for (; count-- && pos + size <= end; pos += size)
          records.push_back({at<uint32_t>(ext->data, pos),
                             Bytes(ext->data.begin() + pos + 4, ext->data.begin() + pos + size)});
      }
    }
  }
};

}  // namespace epass::test
