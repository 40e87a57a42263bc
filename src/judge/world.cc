// Makes two programs meet the same world.

#include "judge/world.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace epass::judge {

using bpf::Function;
using bpf::FunctionId;
using bpf::Symbol;
using bpf::SymbolId;

vm::Context context_of(const std::string& type) {
  if (type == "xdp") return vm::Context::kXdp;
  constexpr std::string_view kSkbTypes[] = {"sched_cls",  "sched_act", "socket_filter",
                                            "cgroup_skb", "lwt_in",    "lwt_out",
                                            "lwt_xmit",   "sk_skb",    "lwt_seg6local"};
  return std::ranges::find(kSkbTypes, type) != std::end(kSkbTypes) ? vm::Context::kSkb : vm::Context::kRaw;
}

vm::Options options_of(const bpf::Program& program, const object::Object* object) {
  constexpr size_t kUnknownData = 8192, kMaxData = 1 << 16;
  vm::Options options;
  if (object)
    for (const object::Map& map : object->maps())
      options.maps[map.name] = {map.type, map.key_size, map.value_size, map.max_entries};
  for (uint32_t n = 0; n < program.symbols.size(); ++n) {
    const Symbol& symbol = program.symbols[SymbolId{n}];
    if (symbol.kind != Symbol::Kind::kData) continue;
    std::vector<uint8_t> bytes(kUnknownData);
    if (object) {
      Bytes data = object->section_data(object->section_of(symbol));
      data = data.subspan(std::min<uint64_t>(object->symbol_offset(SymbolId{n}), data.size()));
      data = data.first(std::min(data.size(), kMaxData));
      if (!data.empty()) bytes.assign(data.begin(), data.end());
    }
    options.sections.emplace(symbol.name, std::move(bytes));
  }
  return options;
}

bool is_writable_data(const Symbol& symbol) {
  return symbol.frozen.empty() && symbol.name.find("rodata") == std::string::npos &&
         symbol.name.find(".str") == std::string::npos;
}

bpf::Program aligned(const bpf::Program& a, const bpf::Program& b) {
  using Key = std::tuple<std::string, std::string, uint32_t>;  // section, name, which of several
  auto keys = [](const bpf::Program& p) {
    std::map<std::pair<std::string, std::string>, uint32_t> seen;
    std::vector<Key> out;
    for (uint32_t n = 0; n < p.functions.size(); ++n) {
      const Function& fn = p.functions[FunctionId{n}];
      out.emplace_back(fn.section, fn.name, seen[{fn.section, fn.name}]++);
    }
    return out;
  };
  const std::vector<Key> first = keys(a), second = keys(b);
  bpf::Program out;
  out.name = b.name;
  std::map<Key, uint32_t> of_second;
  for (uint32_t n = 0; n < second.size(); ++n) of_second[second[n]] = n;
  std::vector<FunctionId> place(second.size());
  for (uint32_t n = 0; n < first.size(); ++n) {
    auto it = of_second.find(first[n]);
    Function empty{.name = a.functions[FunctionId{n}].name, .section = a.functions[FunctionId{n}].section};
    const FunctionId id = out.functions.add(
        it == of_second.end() ? std::move(empty) : Function(b.functions[FunctionId{it->second}]));
    if (it != of_second.end()) place[it->second] = id;
  }
  for (uint32_t n = 0; n < second.size(); ++n)
    if (!place[n]) place[n] = out.functions.add(b.functions[FunctionId{n}]);

  std::map<std::string, uint32_t> names;
  for (uint32_t n = 0; n < b.symbols.size(); ++n) names.emplace(b.symbols[SymbolId{n}].name, n);
  std::vector<SymbolId> moved(b.symbols.size());
  for (uint32_t n = 0; n < a.symbols.size(); ++n) {
    const Symbol& symbol = a.symbols[SymbolId{n}];
    auto it = names.find(symbol.name);
    if (it == names.end()) {
      Symbol copy = symbol;
      copy.function = {};
      out.symbols.add(std::move(copy));
      continue;
    }
    moved[it->second] = out.symbols.add(b.symbols[SymbolId{it->second}]);
  }
  for (uint32_t n = 0; n < b.symbols.size(); ++n)
    if (!moved[n]) moved[n] = out.symbols.add(b.symbols[SymbolId{n}]);
  for (SymbolId id : moved) {
    Symbol& symbol = out.symbols[id];
    if (symbol.function) symbol.function = place[symbol.function.index];
  }
  for (uint32_t n = 0; n < out.functions.size(); ++n)
    for (bpf::Attachment& attachment : out.functions[FunctionId{n}].attachments)
      attachment.symbol = moved[attachment.symbol.index];
  return out;
}

}  // namespace epass::judge
