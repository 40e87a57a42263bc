// Reading and writing through elfutils' libelf, with our own checks in front: libelf trusts offsets in
// places.

#include "object/elf.h"

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>

#include "base/check.h"
#include "base/format.h"

namespace epass::object {
namespace {

constexpr uint16_t kMachineBpf = 247;

struct ElfEnd {
  void operator()(Elf* elf) const { elf_end(elf); }
};
using ElfHandle = std::unique_ptr<Elf, ElfEnd>;

std::unexpected<Error> corrupt(std::string message, int64_t byte = -1) {
  return fail("elf-corrupt", std::move(message), {.byte = byte});
}

Result<void> check_header(Bytes bytes) {
  if (bytes.size() < sizeof(Elf64_Ehdr))
    return fail("elf-truncated", "the file ends inside the ELF header", {.byte = int64_t(bytes.size())});
  if (bytes[EI_CLASS] != ELFCLASS64) return fail("elf-class", "not a 64-bit ELF object", {.byte = EI_CLASS});
  if (bytes[EI_DATA] != ELFDATA2LSB) {
    Error error{.message = "big-endian object; `epass` reads little-endian ones",
                .code = "elf-endian",
                .where = {.byte = EI_DATA}};
    error.help = "compile with `--target=bpfel`";
    return fail(std::move(error));
  }
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.e_type != ET_REL) return fail("elf-type", "not a relocatable object", {.byte = 16});
  if (header.e_machine != kMachineBpf && header.e_machine != EM_NONE)
    return fail("elf-machine", format("made for machine {}, not for BPF (247)", header.e_machine),
                {.byte = 18});
  if (header.e_shentsize != sizeof(Elf64_Shdr)) return corrupt("section headers of unknown size", 58);
  if (header.e_shnum == 0) return corrupt("no section table", 60);
  uint64_t end = header.e_shoff + uint64_t(header.e_shnum) * sizeof(Elf64_Shdr);
  if (header.e_shoff > bytes.size() || end > bytes.size()) {
    Error error{.message = "the file ends before its section table",
                .code = "elf-truncated",
                .where = {.byte = int64_t(bytes.size())}};
    error.notes.push_back(
        format("the header puts {} section headers at bytes {} to {}", header.e_shnum, header.e_shoff, end));
    error.help = "the copy is incomplete; build or copy the object again";
    return fail(std::move(error));
  }
  if (header.e_shstrndx >= header.e_shnum) return corrupt("the section of names does not exist", 62);
  return {};
}

Result<std::string> string_at(Bytes table, uint64_t offset) {
  if (offset >= table.size())
    return corrupt(format("a name lies outside its string table (offset {})", offset));
  const auto* begin = reinterpret_cast<const char*>(table.data()) + offset;
  size_t room = table.size() - offset, length = strnlen(begin, room);
  if (length == room) return corrupt("a name has no end");
  return std::string(begin, length);
}

Result<void> read_symbols(ElfFile& elf) {
  const ElfSection& table = elf.sections[elf.symbol_table];
  if (table.link >= elf.sections.size() || elf.sections[table.link].type != SHT_STRTAB)
    return corrupt("the symbol table has no names");
  Bytes names = elf.sections[table.link].data;
  if (table.data.size() % sizeof(Elf64_Sym)) return corrupt("the symbol table has a broken size");
  for (size_t n = 0; n < table.data.size() / sizeof(Elf64_Sym); ++n) {
    Elf64_Sym raw;
    std::memcpy(&raw, table.data.data() + n * sizeof raw, sizeof raw);
    auto name = string_at(names, raw.st_name);
    if (!name) return fail(name.error());
    if (raw.st_shndx != SHN_UNDEF && raw.st_shndx < SHN_LORESERVE && raw.st_shndx >= elf.sections.size())
      return corrupt(format("symbol {} lies in a section that does not exist", n));
    elf.symbols.push_back({.name = *name,
                           .name_offset = raw.st_name,
                           .info = raw.st_info,
                           .other = raw.st_other,
                           .section = raw.st_shndx,
                           .value = raw.st_value,
                           .size = raw.st_size});
  }
  return {};
}

}  // namespace

Result<ElfFile> read_elf(Bytes bytes) {
  if (auto ok = check_header(bytes); !ok) return fail(ok.error());
  elf_version(EV_CURRENT);
  ElfHandle handle(elf_memory(const_cast<char*>(reinterpret_cast<const char*>(bytes.data())), bytes.size()));
  GElf_Ehdr header;
  if (!handle || !gelf_getehdr(handle.get(), &header)) return corrupt(format("libelf: {}", elf_errmsg(-1)));
  ElfFile elf;
  elf.machine = header.e_machine;
  elf.flags = header.e_flags;
  elf.section_names = header.e_shstrndx;
  for (size_t n = 0; n < header.e_shnum; ++n) {
    GElf_Shdr raw;
    if (!gelf_getshdr(elf_getscn(handle.get(), n), &raw))
      return corrupt(format("section {}: {}", n, elf_errmsg(-1)));
    ElfSection s{.name_offset = raw.sh_name,
                 .type = raw.sh_type,
                 .flags = raw.sh_flags,
                 .address = raw.sh_addr,
                 .link = raw.sh_link,
                 .info = raw.sh_info,
                 .align = raw.sh_addralign,
                 .entry_size = raw.sh_entsize,
                 .size = raw.sh_size};
    if (raw.sh_type != SHT_NOBITS && raw.sh_type != SHT_NULL) {
      auto data = slice(bytes, raw.sh_offset, raw.sh_size);
      if (!data) {
        Error error{.message = format("section {} reaches beyond the end of the file", n),
                    .code = "elf-truncated",
                    .where = {.byte = int64_t(bytes.size())}};
        error.help = "the copy is incomplete; build or copy the object again";
        return fail(std::move(error));
      }
      s.data.assign(data->begin(), data->end());
    }
    if (raw.sh_flags & SHF_COMPRESSED) return corrupt(format("section {} is compressed", n));
    if (raw.sh_type == SHT_SYMTAB) {
      if (elf.symbol_table) return corrupt("two symbol tables");
      elf.symbol_table = uint32_t(n);
    }
    elf.sections.push_back(std::move(s));
  }
  Bytes names = elf.sections[elf.section_names].data;
  for (ElfSection& s : elf.sections) {
    if (s.type == SHT_NULL) continue;
    auto name = string_at(names, s.name_offset);
    if (!name) return fail(name.error());
    s.name = *name;
  }
  if (elf.symbol_table)
    if (auto ok = read_symbols(elf); !ok) return fail(ok.error());
  return elf;
}

Result<std::vector<ElfRelocation>> read_relocations(const ElfFile& elf, const ElfSection& section) {
  if (section.type != SHT_REL || section.data.size() % sizeof(Elf64_Rel))
    return corrupt(format("`{}` is no table of relocations without addends", section.name));
  std::vector<ElfRelocation> out(section.data.size() / sizeof(Elf64_Rel));
  for (size_t n = 0; n < out.size(); ++n) {
    Elf64_Rel raw;
    std::memcpy(&raw, section.data.data() + n * sizeof raw, sizeof raw);
    out[n] = {.offset = raw.r_offset, .symbol = uint32_t(raw.r_info >> 32), .type = uint32_t(raw.r_info)};
    if (out[n].symbol >= elf.symbols.size())
      return corrupt(
          format("entry {} of `{}` names symbol {}, which does not exist", n, section.name, out[n].symbol));
  }
  return out;
}

void write_relocations(ElfSection& section, const std::vector<ElfRelocation>& relocations) {
  section.data.clear();
  for (const ElfRelocation& r : relocations) {
    append_le<uint64_t>(section.data, r.offset);
    append_le<uint64_t>(section.data, uint64_t(r.symbol) << 32 | r.type);
  }
}

namespace {

// Renumbers sections and symbols when some are left out.
Result<void> renumber(ElfFile& elf) {
  std::vector<uint32_t> section_at(elf.sections.size()), symbol_at(elf.symbols.size());
  uint32_t count = 0;
  for (size_t n = 0; n < elf.sections.size(); ++n) section_at[n] = elf.sections[n].dropped ? 0 : count++;
  std::vector<ElfSymbol> symbols;
  uint32_t locals = 0;
  for (size_t n = 0; n < elf.symbols.size(); ++n) {
    ElfSymbol s = elf.symbols[n];
    bool indexed = s.section != SHN_UNDEF && s.section < SHN_LORESERVE;
    if (s.dropped || (indexed && elf.sections[s.section].dropped)) continue;
    if (indexed) s.section = uint16_t(section_at[s.section]);
    symbol_at[n] = uint32_t(symbols.size());
    if (s.binding() == STB_LOCAL) locals = uint32_t(symbols.size()) + 1;
    symbols.push_back(std::move(s));
  }
  for (ElfSection& s : elf.sections) {
    if (s.dropped || s.type != SHT_REL) continue;
    auto list = read_relocations(elf, s);
    if (!list) return fail(list.error());
    for (ElfRelocation& r : *list) {
      if (elf.symbols[r.symbol].dropped)
        return fail("output", format("`{}` still refers to `{}`", s.name, elf.symbols[r.symbol].name));
      r.symbol = symbol_at[r.symbol];
    }
    write_relocations(s, *list);
  }
  elf.symbols = std::move(symbols);
  for (ElfSection& s : elf.sections) {
    if (s.link < section_at.size()) s.link = section_at[s.link];
    if ((s.type == SHT_REL || s.flags & SHF_INFO_LINK) && s.info < section_at.size())
      s.info = section_at[s.info];
    if (s.type == SHT_SYMTAB) s.info = locals;
  }
  elf.section_names = section_at[elf.section_names];
  elf.symbol_table = section_at[elf.symbol_table];
  std::erase_if(elf.sections, [](const ElfSection& s) { return s.dropped; });
  return {};
}

void store_symbols(ElfFile& elf) {
  std::vector<uint8_t>& data = elf.sections[elf.symbol_table].data;
  data.clear();
  for (const ElfSymbol& s : elf.symbols) {
    Elf64_Sym raw{.st_name = s.name_offset,
                  .st_info = s.info,
                  .st_other = s.other,
                  .st_shndx = s.section,
                  .st_value = s.value,
                  .st_size = s.size};
    const auto* p = reinterpret_cast<const uint8_t*>(&raw);
    data.insert(data.end(), p, p + sizeof raw);
  }
}

}  // namespace

Result<std::vector<uint8_t>> write_elf(ElfFile elf) {
  if (auto ok = renumber(elf); !ok) return fail(ok.error());
  if (elf.symbol_table) store_symbols(elf);
  elf_version(EV_CURRENT);
  int fd = memfd_create("epass", MFD_CLOEXEC);
  if (fd < 0) return fail("output", "no memory file for the output");
  std::unique_ptr<int, void (*)(int*)> close_fd(&fd, [](int* p) { ::close(*p); });
  ElfHandle out(elf_begin(fd, ELF_C_WRITE, nullptr));
  auto failed = [&] { return fail("output", format("libelf: {}", elf_errmsg(-1))); };
  if (!out || !gelf_newehdr(out.get(), ELFCLASS64)) return failed();
  elf_flagelf(out.get(), ELF_C_SET, ELF_F_LAYOUT);
  uint64_t at = sizeof(Elf64_Ehdr);
  for (size_t n = 1; n < elf.sections.size(); ++n) {
    ElfSection& s = elf.sections[n];
    Elf_Scn* section = elf_newscn(out.get());
    Elf_Data* data = section ? elf_newdata(section) : nullptr;
    GElf_Shdr header;
    if (!data || !gelf_getshdr(section, &header)) return failed();
    uint64_t align = s.align ? s.align : 1;
    if (align & (align - 1) || align > 4096)
      return corrupt(format("section `{}` has an alignment of {}", s.name, s.align));
    at = (at + align - 1) & ~(align - 1);
    uint64_t size = s.type == SHT_NOBITS ? s.size : s.data.size();
    header = {.sh_name = s.name_offset,
              .sh_type = s.type,
              .sh_flags = s.flags,
              .sh_addr = s.address,
              .sh_offset = at,
              .sh_size = size,
              .sh_link = s.link,
              .sh_info = s.info,
              .sh_addralign = s.align,
              .sh_entsize = s.entry_size};
    data->d_buf = s.type == SHT_NOBITS || s.data.empty() ? nullptr : s.data.data();
    data->d_size = size;
    data->d_align = 1;
    data->d_type = ELF_T_BYTE;
    data->d_off = 0;
    data->d_version = EV_CURRENT;
    if (!gelf_update_shdr(section, &header)) return failed();
    if (s.type != SHT_NOBITS) at += size;
  }
  GElf_Ehdr header;
  if (!gelf_getehdr(out.get(), &header)) return failed();
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_REL;
  header.e_machine = elf.machine;
  header.e_version = EV_CURRENT;
  header.e_flags = elf.flags;
  header.e_shstrndx = uint16_t(elf.section_names);
  header.e_shoff = (at + 7) & ~uint64_t{7};
  if (!gelf_update_ehdr(out.get(), &header) || elf_update(out.get(), ELF_C_WRITE) < 0) return failed();
  off_t size = lseek(fd, 0, SEEK_END);
  std::vector<uint8_t> bytes(static_cast<size_t>(size));
  for (size_t done = 0; done < bytes.size();) {
    ssize_t got = pread(fd, bytes.data() + done, bytes.size() - done, off_t(done));
    if (got <= 0) return fail("output", "the output could not be read back");
    done += size_t(got);
  }
  return bytes;
}

}  // namespace epass::object
