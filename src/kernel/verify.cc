#include "kernel/verify.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <elf.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/format.h"
#include "kernel/direct.h"
#include "kernel/maps.h"

namespace epass::kernel {
namespace {

constexpr uint32_t kMaxHashEntries = 128;     // nothing is put into them; acceptance does not depend on it
constexpr uint32_t kCgroupLocalStorage = 32;  // BPF_MAP_TYPE_CGRP_STORAGE, younger than Debian 12's headers

// libbpf's messages of this thread, for reasons.
thread_local std::string messages;
int collect(libbpf_print_level, const char* text, va_list args) {
  char line[1024];
  vsnprintf(line, sizeof line, text, args);
  messages += line;
  return 0;
}

struct CloseObject {
  void operator()(bpf_object* o) const { bpf_object__close(o); }
};
using Handle = std::unique_ptr<bpf_object, CloseObject>;

Handle open_object(std::span<const uint8_t> bytes) {
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "epass", .relaxed_maps = true);
  bpf_object* o = bpf_object__open_mem(bytes.data(), bytes.size(), &options);
  return Handle(libbpf_get_error(o) ? nullptr : o);
}

// Static programs become global, so that libbpf takes them, and map definitions lose their `pinning`.
std::vector<uint8_t> prepare(Bytes bytes) {
  std::vector<uint8_t> copy(bytes.begin(), bytes.end());
  auto elf = object::read_elf(bytes);
  if (!elf || !elf->symbol_table) return copy;
  Elf64_Ehdr header;
  std::memcpy(&header, copy.data(), sizeof header);
  auto section_header = [&](size_t n) {
    Elf64_Shdr section;
    std::memcpy(&section, copy.data() + header.e_shoff + n * sizeof section, sizeof section);
    return section;
  };
  for (size_t n = 0; n < elf->sections.size(); ++n) {
    if (elf->sections[n].name != ".BTF") continue;
    auto btf = object::Btf::parse(elf->sections[n].data);
    // An unnamed member is one that libbpf does not know and passes over.
    if (btf)
      for (uint64_t at : btf->map_members("pinning"))
        write_le<uint32_t>(copy, section_header(n).sh_offset + at, 0);
  }
  Elf64_Shdr table = section_header(elf->symbol_table);
  for (size_t n = 0; n < elf->symbols.size(); ++n) {
    const object::ElfSymbol& s = elf->symbols[n];
    if (s.type() != STT_FUNC || s.binding() != STB_LOCAL || s.section >= elf->sections.size()) continue;
    const object::ElfSection& section = elf->sections[s.section];
    if (!(section.flags & SHF_EXECINSTR) || section.name == ".text") continue;
    copy[table.sh_offset + n * sizeof(Elf64_Sym) + offsetof(Elf64_Sym, st_info)] =
        ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
  }
  return copy;
}

void prepare_maps(bpf_object* object, std::vector<Fd>& inner_maps) {
  bpf_map* map;
  bpf_object__for_each_map(map, object) {
    uint32_t type = bpf_map__type(map);
    if (is_hash_like(type) && bpf_map__max_entries(map) > kMaxHashEntries)
      bpf_map__set_max_entries(map, kMaxHashEntries);
    switch (type) {
      case BPF_MAP_TYPE_RINGBUF:
        if (bpf_map__max_entries(map) == 0) bpf_map__set_max_entries(map, 4096);
        break;
      // The kernel wants none here.
      case BPF_MAP_TYPE_CGROUP_STORAGE:
      case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE:
      case BPF_MAP_TYPE_SK_STORAGE:
      case BPF_MAP_TYPE_INODE_STORAGE:
      case BPF_MAP_TYPE_TASK_STORAGE:
      case kCgroupLocalStorage:
      // libbpf chooses.
      case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
      case BPF_MAP_TYPE_STRUCT_OPS: break;
      default:
        if (bpf_map__max_entries(map) == 0) bpf_map__set_max_entries(map, 1);
    }
    if (type == BPF_MAP_TYPE_STACK_TRACE && bpf_map__value_size(map) == 0)
      bpf_map__set_value_size(map, 127 * 8);
    bpf_map__set_pin_path(map, nullptr);
    if ((type == BPF_MAP_TYPE_ARRAY_OF_MAPS || type == BPF_MAP_TYPE_HASH_OF_MAPS) &&
        !bpf_map__inner_map(map)) {
      Fd inner(bpf_map_create(BPF_MAP_TYPE_ARRAY, nullptr, 4, 4, 1, nullptr));
      if (inner && bpf_map__set_inner_map_fd(map, inner.get()) == 0) inner_maps.push_back(std::move(inner));
    }
  }
}

std::vector<LoadedMap> maps_of(bpf_object* object) {
  std::vector<LoadedMap> maps;
  bpf_map* map;
  bpf_object__for_each_map(map, object) if (bpf_map__fd(map) >= 0)
      maps.push_back({bpf_map__name(map), bpf_map__fd(map)});
  return maps;
}

std::string last_message() {
  std::string_view rest = messages, best;
  while (!rest.empty()) {
    size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    if (line.starts_with("libbpf: ") && line.find("failed to load object") == line.npos &&
        line.find("-- ") == line.npos && line.find("RLIMIT") == line.npos &&
        (best.empty() || line.find("failed to load") == line.npos))
      best = line.substr(8);
  }
  return std::string(best);
}

// Loads program `n` of the object alone, as `type` if that is given. Of the struct_ops maps only number
// `struct_ops_map` is made; `struct_ops_maps` tells how many there are.
Verdict load_with(std::span<const uint8_t> bytes, int n, const LoadType* type, const VerifyOptions& options,
                  int struct_ops_map, int& struct_ops_maps) {
  Verdict v;
  std::string log;
  for (int level : {4, options.log_level | 1 | 4}) {
    messages.clear();
    log.assign(level == 4 ? 64 << 10 : 16 << 20, '\0');
    Handle object = open_object(bytes);
    if (!object) {
      v.error = errno, v.reason = "not judged: " + last_message();
      return v;
    }
    std::vector<Fd> inner_maps;
    prepare_maps(object.get(), inner_maps);
    bpf_program *p, *wanted = nullptr;
    int k = 0;
    bpf_object__for_each_program(p, object.get()) {
      bpf_program__set_autoload(p, k == n || options.beside.contains(bpf_program__name(p)));
      if (k++ == n) wanted = p;
    }
    bpf_map* map;
    struct_ops_maps = 0;
    bpf_object__for_each_map(map, object.get()) if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS)
        bpf_map__set_autocreate(map, struct_ops_maps++ == struct_ops_map);
    v.program = bpf_program__name(wanted);
    v.section = bpf_program__section_name(wanted);
    if (type) {
      bpf_program__set_type(wanted, bpf_prog_type(type->type));
      bpf_program__set_expected_attach_type(wanted, bpf_attach_type(type->attach_type));
    }
    const char* text = libbpf_bpf_prog_type_str(bpf_program__type(wanted));
    v.type = text ? text : "";
    bpf_program__set_log_buf(wanted, log.data(), log.size());
    bpf_program__set_log_level(wanted, uint32_t(level));
    v.error = -bpf_object__load(object.get());
    log.resize(strnlen(log.data(), log.size()));
    v.insns = int64_t(bpf_program__insn_cnt(wanted));
    read_log(v, log);
    if (v.error == 0 && bpf_program__fd(wanted) < 0) {
      v.reason = "not judged: libbpf left the program out";
      return v;
    }
    if (v.error == 0) {
      v.accepted = true, v.reason.clear(), v.failing_insn = -1;
      read_info(v, bpf_program__fd(wanted));
      if (options.loaded) options.loaded(v, bpf_program__fd(wanted), maps_of(object.get()));
    }
    if (v.error == 0 || v.error == EPERM) break;
  }
  v.log = std::move(log);
  if (v.accepted) return v;
  if (v.error != EPERM && (v.insn_processed >= 0 || !v.log.empty()))
    v.accepted = false;
  else
    v.reason =
        format("not judged: {}",
               v.error == EPERM ? "the kernel refuses this kind of program here (EPERM)" : last_message());
  return v;
}

Verdict load_one(std::span<const uint8_t> bytes, int n, const LoadType* type, const VerifyOptions& options) {
  int maps = 0;
  Verdict v = load_with(bytes, n, type, options, -1, maps);
  if (v.error || v.accepted) return v;
  // Since 1.4 libbpf leaves programs out that are members of struct_ops maps only that it does not make;
  // which maps these are, it does not tell.
  for (int map = 0; map < maps && !v.accepted; ++map) v = load_with(bytes, n, type, options, map, maps);
  return v;
}

}  // namespace

Result<std::vector<Verdict>> verify_object(Bytes bytes, const std::string& name, const VerifyOptions& given) {
  raise_memlock();
  auto parsed = object::Object::parse({bytes.begin(), bytes.end()}, name);
  if (!parsed) return fail(parsed.error());
  VerifyOptions options = given;
  for (const object::Map& map : parsed->maps())
    if (map.type == BPF_MAP_TYPE_PROG_ARRAY)
      for (const auto& [slot, program] : map.slots) options.beside.insert(program);
  libbpf_set_print(collect);
  messages.clear();
  std::vector<uint8_t> copy = prepare(bytes);
  bool legacy = std::ranges::any_of(parsed->maps(), &object::Map::legacy);
  Handle object = legacy ? nullptr : open_object(copy);
  if (!object) return verify_direct(*parsed, name, options);
  std::vector<Verdict> verdicts;
  int n = -1;
  bpf_program* p;
  bpf_object__for_each_program(p, object.get()) {
    ++n;
    std::string program = bpf_program__name(p), section = bpf_program__section_name(p);
    if (options.wanted && !options.wanted(program)) continue;
    Verdict best;
    bool known = bpf_program__type(p) != BPF_PROG_TYPE_UNSPEC;
    if (known && options.type.empty()) {
      best = load_one(copy, n, nullptr, options);
    } else {
      bool first = true;
      for (const LoadType& type : candidate_types(section, options.type)) {
        Verdict v = load_one(copy, n, &type, options);
        if (first || v.accepted.value_or(false)) best = std::move(v);
        first = false;
        if (best.accepted.value_or(false)) break;
      }
    }
    best.object = name, best.program = program, best.section = section;
    if (options.progress) options.progress(best);
    verdicts.push_back(std::move(best));
  }
  return verdicts;
}

}  // namespace epass::kernel
