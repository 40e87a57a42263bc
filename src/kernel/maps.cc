#include "kernel/maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <charconv>
#include <cstring>
#include <vector>

#include "base/format.h"

namespace epass::kernel {
namespace {

constexpr uint32_t kMaxHashEntries = 4096;

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  for (;;) {
    size_t end = text.find(by);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

uint32_t number(std::string_view text) {
  uint32_t n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

// Flags as a number, or by the names that stand-ins need.
uint32_t flags_of(std::string_view text) {
  if (text == "BPF_F_RDONLY_PROG") return BPF_F_RDONLY_PROG;
  if (text == "BPF_F_WRONLY_PROG") return BPF_F_WRONLY_PROG;
  if (text == "BPF_F_NO_PREALLOC") return BPF_F_NO_PREALLOC;
  if (text == "BPF_F_MMAPABLE") return BPF_F_MMAPABLE;
  return number(text);
}

}  // namespace

bool is_hash_like(uint32_t type) {
  switch (type) {
    case BPF_MAP_TYPE_HASH:
    case BPF_MAP_TYPE_PERCPU_HASH:
    case BPF_MAP_TYPE_LRU_HASH:
    case BPF_MAP_TYPE_LRU_PERCPU_HASH:
    case BPF_MAP_TYPE_LPM_TRIE:
    case BPF_MAP_TYPE_HASH_OF_MAPS:
    case BPF_MAP_TYPE_SOCKHASH:
    case BPF_MAP_TYPE_DEVMAP_HASH:
    case BPF_MAP_TYPE_STACK_TRACE: return true;
    default: return false;
  }
}

uint32_t map_type(std::string_view name) {
  for (uint32_t type = 1; type < 64; ++type) {
    const char* text = libbpf_bpf_map_type_str(bpf_map_type(type));
    if (text && name == text) return type;
  }
  return 0;
}

Result<Fd> create_map(const MapSpec& in) {
  MapSpec spec = in;
  if (is_hash_like(spec.type)) spec.max_entries = std::min(spec.max_entries, kMaxHashEntries);
  LIBBPF_OPTS(bpf_map_create_opts, options);
  options.map_flags = spec.flags;
  Fd inner;
  if (spec.type == BPF_MAP_TYPE_ARRAY_OF_MAPS || spec.type == BPF_MAP_TYPE_HASH_OF_MAPS) {
    uint32_t type = spec.inner_type ? spec.inner_type : uint32_t(BPF_MAP_TYPE_ARRAY);
    bool ringbuf = type == BPF_MAP_TYPE_RINGBUF;
    uint32_t entries =
        std::min(spec.inner_entries ? spec.inner_entries : 1, ringbuf ? 1u << 24 : kMaxHashEntries);
    inner = Fd(bpf_map_create(bpf_map_type(type), nullptr,
                              ringbuf          ? 0
                              : spec.inner_key ? spec.inner_key
                                               : 4,
                              ringbuf            ? 0
                              : spec.inner_value ? spec.inner_value
                                                 : 4,
                              entries, nullptr));
    options.inner_map_fd = uint32_t(inner.get());
  }
  if (spec.type == BPF_MAP_TYPE_PERF_EVENT_ARRAY && !spec.max_entries) spec.max_entries = 64;
  if (spec.type == BPF_MAP_TYPE_RINGBUF && !spec.max_entries) spec.max_entries = 4096;
  Fd fd(bpf_map_create(bpf_map_type(spec.type), nullptr, spec.key_size, spec.value_size,
                       spec.max_entries ? spec.max_entries : 1, &options));
  if (!fd)
    return fail("kernel-map", format("the kernel refuses the map `{}`: {}", spec.name, strerror(errno)));
  if (!spec.data.empty()) {
    std::string value = spec.data;
    value.resize(spec.value_size);
    uint32_t key = 0;
    bpf_map_update_elem(fd.get(), &key, value.data(), 0);
  }
  if (spec.frozen) bpf_map_freeze(fd.get());
  return fd;
}

Result<std::map<int, Fd>> read_maps(std::string_view csv) {
  std::map<int, Fd> maps;
  int64_t line = 0;
  for (std::string_view row : split(csv, '\n')) {
    ++line;
    if (row.ends_with('\r')) row.remove_suffix(1);
    if (row.empty() || row.starts_with("fd,")) continue;
    auto cells = split(row, ',');
    cells.resize(std::max<size_t>(cells.size(), 9));
    MapSpec spec{.name = std::string(cells[0]),
                 .type = map_type(cells[1]),
                 .key_size = number(cells[2]),
                 .value_size = number(cells[3]),
                 .max_entries = number(cells[4]),
                 .flags = flags_of(cells[5]),
                 .frozen = cells[6] == "yes" || cells[6] == "1"};
    if (!spec.type) return fail("maps-file", format("no map type is called `{}`", cells[1]), {.line = line});
    auto inner = split(cells[7], ':');
    if (!cells[7].empty())
      spec.inner_type = map_type(inner[0]), spec.inner_entries = inner.size() > 1 ? number(inner[1]) : 1;
    for (size_t n = 0; n + 1 < cells[8].size(); n += 2) {
      uint8_t byte = 0;
      std::from_chars(cells[8].data() + n, cells[8].data() + n + 2, byte, 16);
      spec.data.push_back(static_cast<char>(byte));
    }
    auto fd = create_map(spec);
    if (!fd) return fail(fd.error());
    maps[int(number(cells[0]))] = std::move(*fd);
  }
  return maps;
}

}  // namespace epass::kernel
