#include "world/setup.h"

#include <linux/bpf.h>

#include <algorithm>
#include <cstring>

namespace epass::world {

namespace {

maps::Spec spec_of(const object::Map& map) {
  maps::Spec spec{map.name, map.type, map.key_size, map.value_size, map.max_entries, map.flags};
  // What the loader fills in.
  constexpr uint32_t kPages = 4096, kFrames = 127 * 8;
  switch (spec.type) {
    case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
      spec.key_size = spec.value_size = 4;
      if (!spec.max_entries) spec.max_entries = 64;
      break;
    case BPF_MAP_TYPE_RINGBUF:
      if (!spec.max_entries) spec.max_entries = kPages;
      break;
    case BPF_MAP_TYPE_STACK_TRACE:
      if (!spec.value_size) spec.value_size = kFrames;
      break;
    case BPF_MAP_TYPE_LPM_TRIE: spec.flags |= BPF_F_NO_PREALLOC; break;
    default: break;
  }
  if (!spec.max_entries) spec.max_entries = 1;
  return spec;
}

}  // namespace

Setup setup_of(const object::Object& object) {
  Setup setup;
  const std::vector<object::Map>& maps = object.maps();
  for (const object::Map& map : maps) {
    MapSetup m{.spec = spec_of(map)};
    if (map.inner_index < maps.size()) m.inner = spec_of(maps[map.inner_index]);
    for (const auto& [index, name] : map.slots) {
      Entry entry{.key = std::vector<uint8_t>(m.spec.key_size), .name = name};
      std::memcpy(entry.key.data(), &index, std::min<size_t>(4, entry.key.size()));
      m.entries.push_back(std::move(entry));
    }
    setup.maps.push_back(std::move(m));
  }
  const bpf::Program& program = object.program();
  for (uint32_t n = 0; n < program.symbols.size(); ++n) {
    const bpf::SymbolId id{n};
    const bpf::Symbol& symbol = program.symbols[id];
    if (symbol.kind != bpf::Symbol::Kind::kData) continue;
    const std::string name = object.section_of(symbol);
    if (name.empty()) continue;
    setup.data[n] = {name, object.symbol_offset(id)};
    if (setup.sections.contains(name)) continue;
    const Bytes bytes = object.section_data(name);
    setup.sections[name] = {{bytes.begin(), bytes.end()}, !object::is_rodata(name)};
  }
  return setup;
}

vm::Context context_of(std::string_view type) {
  if (type == "xdp") return vm::Context::kXdp;
  constexpr std::string_view kSkb[] = {"sched_cls", "sched_act", "socket_filter", "cgroup_skb",   "lwt_in",
                                       "lwt_out",   "lwt_xmit",  "sk_skb",        "lwt_seg6local"};
  return std::ranges::find(kSkb, type) != std::end(kSkb) ? vm::Context::kSkb : vm::Context::kRaw;
}

bool sees_ethernet(std::string_view type) {
  return type.empty() || type == "xdp" || type == "sched_cls" || type == "sched_act";
}

}  // namespace epass::world
