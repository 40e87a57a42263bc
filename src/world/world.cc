// Where things lie, and what a run begins with.

#include "world/world.h"

#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/format.h"
#include "bpf/contracts.h"
#include "maps/types.h"

namespace epass::world {

using bpf::Symbol;
using vm::Machine;
using vm::mix;

namespace {

constexpr size_t kMaxEvents = 1 << 14;
constexpr size_t kHeadroom = 256, kTailroom = 320;  // of xdp frames in a page
constexpr size_t kPage = 4096, kEthernet = 14, kContextBytes = 4096;
constexpr uint64_t kMaxBuffer = 4096;

// Fields of struct __sk_buff and struct xdp_md.
enum SkbField : size_t { kLen = 0, kPacketType = 4, kProtocol = 16, kIngressIfindex = 36, kIfindex = 40 };
constexpr size_t kSkbWireLen = 168, kXdpIngressIfindex = 12;

void put32(std::vector<uint8_t>& bytes, size_t at, uint32_t value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

bool holds_names(uint32_t type) {
  return type == BPF_MAP_TYPE_PROG_ARRAY || type == BPF_MAP_TYPE_ARRAY_OF_MAPS ||
         type == BPF_MAP_TYPE_HASH_OF_MAPS;
}

}  // namespace

World::World(const vm::Executable& executable, Setup setup)
    : executable_(executable), setup_(std::move(setup)) {
  for (auto& [name, section] : setup_.sections) section_bytes_[name] = section.bytes;
}
World::~World() = default;

Result<std::unique_ptr<World>> World::create(const vm::Executable& executable, Setup setup) {
  std::unique_ptr<World> world(new World(executable, std::move(setup)));
  for (const MapSetup& m : world->setup_.maps) {
    auto map = maps::Map::create(m.spec);
    if (!map) return fail(map.error());
    world->maps_.push_back({std::move(*map), m.inner, false});
  }
  // Maps that the program names and nothing defines.
  for (uint32_t n = 0; n < executable.program().symbols.size(); ++n) {
    const Symbol& symbol = executable.symbol(n);
    if (symbol.kind != Symbol::Kind::kMap || world->map_named(symbol.name)) continue;
    auto map = maps::Map::create({.name = symbol.name,
                                  .type = BPF_MAP_TYPE_HASH,
                                  .key_size = 4,
                                  .value_size = kMaxBuffer,
                                  .max_entries = 4096});
    if (!map) return fail(map.error());
    world->maps_.push_back({std::move(*map), {}, true});
  }
  for (WorldMap& map : world->maps_)
    map.map->dropped = [w = world.get()](maps::Value& value) {
      if (value.address && w->machine_) w->memory().remove(value.address);
    };
  for (size_t n = 0; n < world->setup_.maps.size(); ++n)
    if (auto done = world->fill(world->maps_[n], world->setup_.maps[n]); !done) return fail(done.error());
  return world;
}

Result<void> World::fill(WorldMap& map, const MapSetup& setup) {
  const maps::Spec& spec = map.map->spec();
  for (const Entry& entry : setup.entries) {
    std::vector<uint8_t> value = entry.value;
    if (holds_names(spec.type)) {
      uint64_t number = 0;
      if (spec.type == BPF_MAP_TYPE_PROG_ARRAY) {
        const auto& functions = executable_.program().functions;
        uint32_t f = 0;
        while (f < functions.size() && functions[bpf::FunctionId{f}].name != entry.name) ++f;
        if (f == functions.size())
          return fail("map-entry", format("`{}` shall hold the program `{}`, which does not exist", spec.name,
                                          entry.name));
        number = f;
      } else {
        const WorldMap* inner = map_named(entry.name);
        if (!inner)
          return fail("map-entry",
                      format("`{}` shall hold the map `{}`, which does not exist", spec.name, entry.name));
        number = handle_of(*inner);
      }
      value.resize(spec.value_size);
      std::memcpy(value.data(), &number, std::min<size_t>(8, value.size()));
    }
    if (entry.key.size() != spec.key_size || value.size() != spec.value_size)
      return fail("map-entry",
                  format("an entry of `{}` has {} bytes of key and {} of value, where the map has {} and {}",
                         spec.name, entry.key.size(), value.size(), spec.key_size, spec.value_size));
    const int error = map.map->has_entries() ? map.map->update(entry.key.data(), value.data(), BPF_ANY)
                                             : map.map->push(value.data(), BPF_ANY);
    if (error)
      return fail("map-entry", format("`{}` does not take an entry: {}", spec.name, strerror(-error)));
  }
  return {};
}

World::WorldMap* World::map_named(std::string_view name) {
  for (WorldMap& map : maps_)
    if (map.map->spec().name == name) return &map;
  return nullptr;
}

maps::Map* World::map(std::string_view name) {
  WorldMap* found = map_named(name);
  return found ? found->map.get() : nullptr;
}

std::vector<std::string> World::map_names() const {
  std::vector<std::string> names;
  for (const WorldMap& map : maps_) names.push_back(map.map->spec().name);
  return names;
}

const std::vector<uint8_t>* World::section(const std::string& name) const {
  auto it = section_bytes_.find(name);
  return it == section_bytes_.end() ? nullptr : &it->second;
}

uint64_t World::handle_of(const WorldMap& map) const {
  return vm::kMapHandleBase + (static_cast<uint64_t>(&map - maps_.data()) << 32);
}

World::WorldMap* World::map_at(uint64_t handle) {
  const uint64_t offset = handle - vm::kMapHandleBase;
  if (handle < vm::kMapHandleBase || offset % (uint64_t{1} << 32) || offset >> 32 >= maps_.size())
    return nullptr;
  return &maps_[offset >> 32];
}

std::vector<uint64_t> World::begin(Machine& machine) {
  machine_ = &machine;
  events_.clear();
  calls_ = 0, tail_calls_ = 0;
  now_ = 1'000'000'000 + mix(setup_.seed, 0x717e) % 1'000'000'000'000;
  for (WorldMap& map : maps_) map.map->drop_deleted();
  std::vector<uint8_t> context(kContextBytes);
  const bool raw = setup_.context == vm::Context::kRaw;
  if (raw && !setup_.memory.empty()) {
    context = setup_.memory;
  } else if (raw) {
    for (size_t n = 0; n < context.size(); n += 8) {
      const uint64_t word = mix(setup_.seed ^ 0xc0ffee, n);
      std::memcpy(context.data() + n, &word, 8);
    }
  } else if (is_xdp()) {
    put32(context, kXdpIngressIfindex, 1);
  } else {
    put32(context, kLen, static_cast<uint32_t>(setup_.packet.size()));
    put32(context, kIfindex, 1);
    put32(context, kSkbWireLen, static_cast<uint32_t>(setup_.packet.size()));
    const std::vector<uint8_t>& p = setup_.packet;
    if (p.size() >= kEthernet) {
      put32(context, kProtocol, p[12] | static_cast<uint32_t>(p[13]) << 8);
      const bool own = std::ranges::all_of(p.begin(), p.begin() + 6, [](uint8_t b) { return b == 0; });
      const bool all = std::ranges::all_of(p.begin(), p.begin() + 6, [](uint8_t b) { return b == 0xff; });
      put32(context, kPacketType, own ? 0 : all ? 1 : p[0] & 1 ? 2 : 3);
    }
  }
  if (context_address_) {
    std::ranges::copy(context, context_.begin());
  } else {
    context_ = std::move(context);
    context_address_ = memory().add(raw && !setup_.memory.empty() ? "mem" : "ctx", vm::kContextBase,
                                    context_.data(), context_.size());
    machine.set_context(context_address_);
  }
  entry_context_ = context_address_;
  if (raw) {
    machine.set_packet_bytes(context_);
    return {context_address_, setup_.memory.size()};
  }
  const size_t skip = !is_xdp() && !setup_.ethernet ? std::min(kEthernet, setup_.packet.size()) : 0;
  const size_t size = setup_.packet.size();
  packet_.buffer.assign(std::max(kPage, kHeadroom + size + kTailroom), 0);
  std::ranges::copy(setup_.packet, packet_.buffer.begin() + kHeadroom);
  packet_.begin = kHeadroom + skip;
  packet_.end = kHeadroom + size;
  lay_packet();
  return {context_address_};
}

void World::lay_packet() {
  if (packet_.address) memory().remove(packet_.address);
  const uint64_t base = vm::kPacketBase + packet_.begin - kHeadroom;
  packet_.address =
      memory().add("packet", base, packet_.buffer.data() + packet_.begin, packet_.end - packet_.begin);
  machine_->set_packet(packet_.address, packet_.end - packet_.begin);
  if (!is_xdp()) put32(context_, kLen, static_cast<uint32_t>(packet_size()));
}

std::vector<uint8_t> World::packet() const {
  if (setup_.context == vm::Context::kRaw) return setup_.memory.empty() ? std::vector<uint8_t>{} : context_;
  return {packet_.buffer.begin() + static_cast<ptrdiff_t>(packet_.begin),
          packet_.buffer.begin() + static_cast<ptrdiff_t>(packet_.end)};
}

void World::set_packet(std::vector<uint8_t> packet) { setup_.packet = std::move(packet); }

uint64_t World::give_memory(const std::string& name, uint8_t* host, uint64_t size, bool writable) {
  const uint64_t address = memory().add(name, next_value_, host, size, writable);
  // Far apart, so that a wild access hits nothing; closer together when there are many.
  const bool many = next_value_ - vm::kMapValueBase >= uint64_t{1} << 43;
  next_value_ += many ? (size + 8191) / 4096 * 4096 : uint64_t{1} << 33;
  return address;
}

uint64_t World::value_address(WorldMap& map, const uint8_t* key, maps::Value& value) {
  if (value.address) return value.address;
  const maps::Spec& spec = map.map->spec();
  std::string text;
  if (spec.key_size == 4) {
    uint32_t number = 0;
    std::memcpy(&number, key, 4);
    text = format("{}", number);
  } else {
    for (uint32_t n = 0; n < spec.key_size && n < 16; ++n) text += format("{:02x}", key[n]);
    if (spec.key_size > 16) text += "..";
  }
  return value.address = give_memory(format("{}[{}]", spec.name, text), value.bytes.get(), value.size);
}

uint64_t World::address_of(Machine& machine, uint32_t number, uint8_t pseudo, uint64_t imm) {
  machine_ = &machine;
  const Symbol& symbol = executable_.symbol(number);
  if (symbol.kind == Symbol::Kind::kFunc && symbol.function)
    return vm::function_address(symbol.function.index);
  if (symbol.kind == Symbol::Kind::kMap) {
    WorldMap* map = map_named(symbol.name);
    return map ? handle_of(*map) : 0;
  }
  if (symbol.kind == Symbol::Kind::kData) {
    auto place = setup_.data.find(number);
    const std::string section = place == setup_.data.end() ? symbol.name : place->second.section;
    auto [it, is_new] = sections_.try_emplace(section);
    if (is_new) {
      const bool known = setup_.sections.contains(section);
      std::vector<uint8_t>& bytes = section_bytes_[section];
      if (!known) bytes.resize(1 << 16);
      it->second = memory().add(section, vm::region_address(vm::kDataBase, sections_.size()), bytes.data(),
                                bytes.size(), !known || setup_.sections[section].writable);
    }
    const uint64_t offset = place == setup_.data.end() ? 0 : place->second.offset;
    return it->second + offset + (pseudo == bpf::kMapValue ? imm >> 32 : imm);
  }
  // Variables and types of the kernel: foreign memory.
  uint64_t hash = 14695981039346656037ull;
  for (char c : symbol.name) hash = mix(hash, static_cast<uint8_t>(c));
  return (hash >> 16) + imm;
}

void World::prepare_frame(uint32_t depth, std::span<uint8_t> bytes) {
  for (size_t n = 0; n < bytes.size(); ++n)
    bytes[n] = static_cast<uint8_t>(mix(setup_.seed ^ 0x57ac, n + depth * 512));
}

std::string World::text_of(uint64_t value) {
  if (const WorldMap* map = map_at(value)) return format("map {}", map->map->spec().name);
  if (auto function = machine_->function_at(value))
    return executable_.program().functions[bpf::FunctionId{*function}].name;
  if (value < vm::kContextBase || memory().raw()) return format("{:#x}", value);
  const std::string place = memory().place(value);
  if (!place.starts_with("stack")) return place;
  // Frames count from their end, as r10 does.
  const uint64_t frame = (value - vm::kStackBase) / vm::kFrameSpacing;
  const int64_t offset = static_cast<int64_t>((value - vm::kStackBase) % vm::kFrameSpacing) - bpf::kStackSize;
  return format("stack{}{:+}", frame ? format("{}", frame) : "", offset);
}

void World::tell(Event event) {
  if (record && events_.size() < kMaxEvents) events_.push_back(std::move(event));
}

bool World::read(uint64_t address, void* out, uint64_t size, const char* what) {
  if (memory().read(address, out, size)) return true;
  machine_->fail(format("{} of {} bytes lies outside memory at {}", what, size, memory().place(address)),
                 address);
  return false;
}

bool World::write(uint64_t address, const void* in, uint64_t size, const char* what) {
  if (memory().write(address, in, size)) return true;
  machine_->fail(format("{} of {} bytes cannot be written at {}", what, size, memory().place(address)),
                 address);
  return false;
}

bool World::readable(uint64_t address, uint64_t size, const char* what) {
  constexpr uint64_t kLarge = 1 << 20;
  if (size <= kLarge || memory().at(address, size, vm::Access::kRead)) return true;
  machine_->fail(format("{} of {} bytes lies outside memory at {}", what, size, memory().place(address)),
                 address);
  return false;
}

std::optional<std::string> World::read_string(uint64_t address, uint64_t size) {
  std::string text;
  for (uint64_t n = 0; n < size; ++n) {
    char c = 0;
    if (!memory().read(address + n, &c, 1)) return std::nullopt;
    if (!c) break;
    text.push_back(c);
  }
  return text;
}

std::optional<uint32_t> World::callback(int k) {
  auto function = machine_->function_at(arg(k));
  if (!function) machine_->fail(format("the callback {:#x} is no function", arg(k)));
  return function;
}

// A result that makes programs go different ways: zero, small, an error, anything.
uint64_t World::answer(std::string_view what) {
  uint64_t h = mix(setup_.seed, calls_++);
  for (char c : what) h = mix(h, static_cast<uint8_t>(c));
  switch (h >> 62) {
    case 0: return 0;
    case 1: return h & 0xff;
    case 2: return static_cast<uint64_t>(-static_cast<int64_t>(h % 40 + 1));
    default: return h;
  }
}

uint64_t World::stub(std::string_view name, std::string_view kinds) {
  Event event{.what = std::string(name)};
  for (size_t k = 0; k < kinds.size() && !machine_->stopped(); ++k) {
    const uint64_t v = arg(static_cast<int>(k) + 1);
    event.values.push_back(v);
    if (kinds[k] == 'r' && k + 1 < kinds.size()) {
      const uint64_t size =
          std::min<uint64_t>(static_cast<uint32_t>(arg(static_cast<int>(k) + 2)), kMaxBuffer);
      std::vector<uint8_t> bytes(size);
      if (memory().read(v, bytes.data(), size))
        event.bytes.insert(event.bytes.end(), bytes.begin(), bytes.end());
    }
  }
  if (machine_->stopped()) return 0;
  tell(std::move(event));
  const uint64_t r0 = answer(name);
  for (size_t k = 0; k + 1 < kinds.size(); ++k) {
    if (kinds[k] != 'w') continue;
    const int at = static_cast<int>(k) + 1;
    std::vector<uint8_t> bytes(std::min<uint64_t>(static_cast<uint32_t>(arg(at + 1)), kMaxBuffer));
    for (size_t n = 0; n < bytes.size(); ++n) bytes[n] = static_cast<uint8_t>(mix(setup_.seed ^ calls_, n));
    if (!write(arg(at), bytes.data(), bytes.size(), "a buffer")) return 0;
  }
  return r0;
}

const World::Row* World::find(int32_t id) {
  for (std::span<const Row> rows : {map_rows(), packet_rows(), text_rows(), misc_rows()})
    if (auto it = std::ranges::find(rows, id, &Row::id); it != rows.end()) return &*it;
  return nullptr;
}

uint64_t World::call_helper(Machine& machine, int32_t id) {
  machine_ = &machine;
  static const std::vector<Handler> table = [] {
    std::vector<Handler> out(512);
    for (int32_t n = 0; n < static_cast<int32_t>(out.size()); ++n)
      if (const Row* row = find(n)) out[static_cast<size_t>(n)] = row->handler;
    return out;
  }();
  const bool has_packet = setup_.context != vm::Context::kRaw;
  const bool modelled = has_packet || std::ranges::find(packet_rows(), id, &Row::id) == packet_rows().end();
  if (modelled && id >= 0 && static_cast<size_t>(id) < table.size())
    if (Handler handler = table[static_cast<size_t>(id)]) return (this->*handler)();
  const bpf::HelperContract* contract = bpf::helper(id);
  if (!contract) return machine.fail(format("the kernel has no helper number {}", id));
  return stub(contract->name, contract->args);
}

uint64_t World::call_symbol(Machine& machine, uint32_t number) {
  machine_ = &machine;
  const Symbol& symbol = executable_.symbol(number);
  const std::span<const NamedRow> rows = named_rows();
  if (auto it = std::ranges::find(rows, symbol.name, &NamedRow::name); it != rows.end())
    return (this->*it->handler)();
  return stub(symbol.name, std::string(symbol.signature ? symbol.signature->args : 0, 's'));
}

}  // namespace epass::world
