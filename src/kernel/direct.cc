#include "kernel/direct.h"

#include <linux/bpf.h>

#include <algorithm>

#include "base/format.h"
#include "bpf/program_type.h"
#include "kernel/maps.h"

namespace epass::kernel {
namespace {

class DirectLoader {
 public:
  explicit DirectLoader(const object::Object& object) : object_(object), program_(object.program()) {}

  // The final instructions of entry `id`: its code, then every subprogram it reaches.
  Result<std::vector<bpf::Insn>> link(bpf::FunctionId id) {
    std::vector<bpf::FunctionId> order{id};
    std::map<uint32_t, uint32_t> start{{id.index, 0}};
    std::vector<bpf::Insn> out;
    for (size_t k = 0; k < order.size(); ++k) {
      const bpf::Function& fn = program_.functions[order[k]];
      start[order[k].index] = uint32_t(out.size());
      out.insert(out.end(), fn.insns.begin(), fn.insns.end());
      for (const bpf::Attachment& a : fn.attachments) {
        const bpf::Symbol& s = program_.symbols[a.symbol];
        if (s.kind == bpf::Symbol::Kind::kFunc && s.function && !start.contains(s.function.index)) {
          start[s.function.index] = 0;
          order.push_back(s.function);
        }
      }
    }
    for (bpf::FunctionId part : order) {
      const bpf::Function& fn = program_.functions[part];
      for (const bpf::Attachment& a : fn.attachments) {
        uint32_t at = start[part.index] + a.insn;
        const bpf::Symbol& s = program_.symbols[a.symbol];
        if (s.kind == bpf::Symbol::Kind::kFunc && s.function) {
          out[at].imm = int32_t(start[s.function.index]) - int32_t(at) - 1;
          out[at].set_src(bpf::is_ld_imm64(out[at]) ? uint8_t(bpf::kFuncPtr) : uint8_t(bpf::kLocalCall));
        } else if (s.kind == bpf::Symbol::Kind::kMap || s.kind == bpf::Symbol::Kind::kData) {
          auto fd = map_of(s);
          if (!fd) return fail(fd.error());
          bool value = s.kind == bpf::Symbol::Kind::kData;
          int32_t offset = out[at].imm + int32_t(object_.symbol_offset(a.symbol));
          out[at].imm = *fd;
          out[at].set_src(value ? uint8_t(bpf::kMapValue) : uint8_t(bpf::kMapFd));
          out[at + 1].imm = value ? offset : 0;
        } else {
          return fail("kernel-symbol", format("`{}` is unknown to this kernel's loader", s.name));
        }
      }
    }
    return out;
  }

  // Those that the programs linked so far refer to, by name.
  std::vector<LoadedMap> maps() const {
    std::vector<LoadedMap> out;
    for (const auto& [name, fd] : fds_) out.push_back({name, fd.get()});
    return out;
  }

 private:
  Result<int> map_of(const bpf::Symbol& symbol) {
    std::string key = symbol.kind == bpf::Symbol::Kind::kData ? object_.section_of(symbol) : symbol.name;
    if (auto it = fds_.find(key); it != fds_.end()) return it->second.get();
    MapSpec spec{.name = key};
    if (symbol.kind == bpf::Symbol::Kind::kData) {
      auto data = object_.section_data(key);
      spec.type = BPF_MAP_TYPE_ARRAY, spec.key_size = 4, spec.max_entries = 1;
      spec.value_size = uint32_t(std::max<size_t>(data.size(), 1));
      spec.data.assign(data.begin(), data.end());
      if (object::is_rodata(key)) spec.flags = BPF_F_RDONLY_PROG, spec.frozen = true;
    } else {
      auto map = std::ranges::find(object_.maps(), symbol.name, &object::Map::name);
      if (map == object_.maps().end() || !map->legacy)
        return fail("kernel-map", format("no definition of the map `{}`", symbol.name));
      spec.type = map->type, spec.key_size = map->key_size, spec.value_size = map->value_size;
      spec.max_entries = map->max_entries, spec.flags = map->flags;
      bool of_maps = spec.type == BPF_MAP_TYPE_ARRAY_OF_MAPS || spec.type == BPF_MAP_TYPE_HASH_OF_MAPS;
      if (of_maps && map->inner_index < object_.maps().size()) {
        const object::Map& inner = object_.maps()[map->inner_index];
        spec.inner_type = inner.type, spec.inner_key = inner.key_size, spec.inner_value = inner.value_size,
        spec.inner_entries = inner.max_entries;
      }
    }
    auto fd = create_map(spec);
    if (!fd) return fail(fd.error());
    return (fds_[key] = std::move(*fd)).get();
  }

  const object::Object& object_;
  const bpf::Program& program_;
  std::map<std::string, Fd> fds_;
};

}  // namespace

std::vector<LoadType> candidate_types(const std::string& section, const std::string& forced) {
  if (!forced.empty()) {
    auto type = load_type(forced);
    return type ? std::vector{*type} : std::vector<LoadType>{};
  }
  if (auto type = load_type(section)) return {*type};
  std::string guess = bpf::program_type_of_section(section);
  std::vector<LoadType> types = all_load_types();
  if (auto type = guess.empty() ? std::nullopt : load_type(guess)) types.insert(types.begin(), *type);
  return types;
}

Result<std::vector<Verdict>> verify_direct(const object::Object& object, const std::string& name,
                                           const VerifyOptions& options) {
  std::vector<Verdict> verdicts;
  DirectLoader loader(object);
  const bpf::Program& program = object.program();
  for (uint32_t n = 0; n < program.functions.size(); ++n) {
    const bpf::Function& fn = program.functions[bpf::FunctionId{n}];
    if (!fn.is_entry || (options.wanted && !options.wanted(fn.name))) continue;
    Verdict best{.type = fn.type, .reason = "not judged: no such program type"};
    auto insns = loader.link(bpf::FunctionId{n});
    if (!insns) {
      best.reason = "not judged: " + insns.error().message;
    } else {
      bool first = true;
      for (const LoadType& type : candidate_types(fn.section, options.type)) {
        Fd fd;
        Verdict v = load({.insns = *insns,
                          .type = type,
                          .name = fn.name,
                          .license = object.license(),
                          .log_level = options.log_level},
                         &fd);
        v.section = fn.section, v.program = fn.name;
        if (fd && options.loaded) options.loaded(v, fd.get(), loader.maps());
        if (first || v.accepted.value_or(false)) best = std::move(v);
        first = false;
        if (best.accepted.value_or(false)) break;
      }
    }
    best.object = name, best.section = fn.section, best.program = fn.name;
    if (options.progress) options.progress(best);
    verdicts.push_back(std::move(best));
  }
  return verdicts;
}

Result<std::vector<Verdict>> verify_flat(std::span<const bpf::Insn> insns, const std::string& name,
                                         const VerifyOptions& options) {
  auto maps = read_maps(options.maps);
  if (!maps) return fail(maps.error());
  std::vector<bpf::Insn> code(insns.begin(), insns.end());
  for (size_t i = 0; i + 1 < code.size(); i += bpf::records(code[i])) {
    if (!bpf::is_ld_imm64(code[i]) || (code[i].src() != bpf::kMapFd && code[i].src() != bpf::kMapValue))
      continue;
    auto map = maps->find(code[i].imm);
    if (map != maps->end()) code[i].imm = map->second.get();
  }
  Verdict best{.reason = format("not judged: no program type is called `{}`", options.type)};
  bool first = true;
  std::vector<LoadType> types = options.type.empty() ? all_load_types() : candidate_types("", options.type);
  for (const LoadType& type : types) {
    Fd fd;
    Verdict v = load({.insns = code, .type = type, .name = "main", .log_level = options.log_level}, &fd);
    v.object = name, v.program = "main";
    if (fd && options.loaded) options.loaded(v, fd.get(), {});
    if (first || v.accepted.value_or(false)) best = std::move(v);
    first = false;
    if (best.accepted.value_or(false)) break;
  }
  best.object = name, best.program = "main";
  if (options.progress) options.progress(best);
  return std::vector{std::move(best)};
}

}  // namespace epass::kernel
