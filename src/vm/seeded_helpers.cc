// The helpers of a world that the seed decides.

#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/format.h"
#include "bpf/contracts.h"
#include "vm/seeded.h"

namespace epass::vm {
namespace {

constexpr uint64_t kMaxBuffer = 4096;
constexpr uint32_t kMaxKey = 512, kMaxValue = 1 << 20;
enum HelperId : int32_t {
  kLookup = 1,
  kUpdate = 2,
  kDelete = 3,
  kTailCall = 12,
  kRingbufReserve = 131,
  kForEach = 164,
  kLoop = 181,
};

// Any bytes, fast: values of maps may be large.
void fill(std::vector<uint8_t>& bytes, uint64_t seed) {
  for (size_t n = 0; n < bytes.size(); n += 8) {
    seed += 0x9e3779b97f4a7c15;
    const uint64_t word = (seed ^ seed >> 31) * 0xbf58476d1ce4e5b9;
    const uint64_t mixed = word ^ word >> 32;
    std::memcpy(bytes.data() + n, &mixed, std::min<size_t>(8, bytes.size() - n));
  }
}

}  // namespace

void SeededWorld::read_buffer(Machine& machine, Event& event, uint64_t address, uint64_t size) {
  std::vector<uint8_t> bytes(std::min(size, kMaxBuffer));
  const bool there = machine.memory().read(address, bytes.data(), bytes.size());
  event.values.push_back(there ? size : ~uint64_t{0});
  if (there) event.bytes.insert(event.bytes.end(), bytes.begin(), bytes.end());
}

// A result that makes programs go different ways: zero, small, an error, anything.
uint64_t SeededWorld::answer(const std::string& what) {
  uint64_t call = calls_++, h = mix(input_.seed, call);
  for (char c : what) h = mix(h, uint8_t(c));
  switch (h >> 62) {
    case 0: h = 0; break;
    case 1: h &= 0xff; break;
    case 2: h = uint64_t(-int64_t(h % 40 + 1)); break;
    default: break;
  }
  if (auto given = input_.answers.find(call); given != input_.answers.end()) h = given->second;
  if (options_.observer) options_.observer->answered(call, h);
  return h;
}

SeededWorld::Map* SeededWorld::map_at(uint64_t handle) {
  if (!is_in(handle, kMapHandleBase, kMapValueBase)) return nullptr;
  auto it = maps_.find(uint32_t(region_number(kMapHandleBase, handle)));
  return it == maps_.end() ? nullptr : &it->second;
}

uint64_t SeededWorld::map_handle(uint32_t symbol) {
  const std::string& name = executable_.symbol(symbol).name;
  uint32_t number = executable_.number(symbol);
  auto [it, is_new] = maps_.try_emplace(number);
  if (is_new) {
    Map& map = it->second;
    map.name = name;
    if (auto known = options_.maps.find(name); known != options_.maps.end()) map.info = known->second;
    if (!map.info.key_size) map.info.key_size = 4;
    if (!map.info.value_size) map.info.value_size = options_.unknown_value_size;
    // A damaged object may claim any size.
    map.info.key_size = std::min(map.info.key_size, kMaxKey);
    map.info.value_size = std::min(map.info.value_size, kMaxValue);
  }
  return region_address(kMapHandleBase, number);
}

bool SeededWorld::seed_has(const std::vector<uint8_t>& key) const {
  uint64_t h = mix(input_.seed ^ 0x100c, key.size());
  for (uint8_t byte : key) h = mix(h, byte);
  return h % 4 != 0;
}

// What the kernel refuses, as it does; 0 if it would do it. Of maps of unknown contents only what is certain:
// in arrays nothing comes or goes.
int64_t SeededWorld::map_refuses(Map& map, const std::vector<uint8_t>& key, int32_t id,
                                 uint64_t flags) const {
  if (!map.info.known && !map.is_fixed()) return 0;
  if (!map.info.known && id == kDelete) return -EINVAL;
  if (!map.info.known) return map.exists.try_emplace(key, seed_has(key)).first->second ? 0 : -E2BIG;
  bool exists = map.holds(key);
  if (id == kDelete) return map.is_array() ? -EINVAL : exists ? 0 : -ENOENT;
  if (flags > BPF_EXIST) return -EINVAL;
  if (map.is_array() && !exists) return -E2BIG;
  if (flags == BPF_NOEXIST && exists) return -EEXIST;
  if (flags == BPF_EXIST && !exists) return -ENOENT;
  return 0;
}

bool SeededWorld::Map::is_fixed() const { return bpf::has_fixed_elements(info.type); }

bool SeededWorld::Map::is_array() const { return info.type == BPF_MAP_TYPE_ARRAY; }

bool SeededWorld::Map::holds(const std::vector<uint8_t>& key) const {
  if (is_array()) {
    uint32_t index = 0;
    if (!key.empty()) std::memcpy(&index, key.data(), std::min(key.size(), sizeof index));
    return index < info.max_entries;
  }
  return values.contains(key) || (info.entries.contains(key) && !gone.contains(key));
}

// Lookup, update and delete. In maps of unknown contents, keys that were never written exist or not as the
// seed says.
uint64_t SeededWorld::map_helper(Machine& machine, Map& map, int32_t id) {
  Memory& memory = machine.memory();
  std::vector<uint8_t> key(map.info.key_size);
  if (!memory.read(machine.arg(2), key.data(), key.size()))
    return machine.fail("the key lies outside memory");
  auto it = map.values.find(key);
  auto add = [&] {
    std::vector<uint8_t> bytes(map.info.value_size);
    if (auto known = map.info.entries.find(key); known != map.info.entries.end())
      std::ranges::copy_n(known->second.begin(), ptrdiff_t(std::min(bytes.size(), known->second.size())),
                          bytes.begin());
    else if (!map.info.known)
      fill(bytes, mix(input_.seed ^ 0x3a9, key.size()));
    const uint64_t base =
        memory.add(map.name, region_address(kMapValueBase, next_value_++), std::move(bytes));
    return map.values.emplace(key, base).first;
  };
  uint64_t r0 = 0;
  Event event{.what = format("map {} {}", id, map.name)};
  for (uint8_t byte : key) event.values.push_back(byte);
  int64_t refused = id == kLookup ? 0 : map_refuses(map, key, id, id == kUpdate ? machine.arg(4) : 0);
  if (refused) {
    r0 = uint64_t(refused);
  } else if (id == kLookup) {
    bool found = map.info.known ? map.holds(key) : seed_has(key);
    const auto decided = map.exists.find(key);
    if (decided != map.exists.end()) {
      found = decided->second;
    } else if (it == map.values.end() && !map.info.known) {
      const uint64_t lookup = Observer::kLookups + lookups_++;
      if (auto given = input_.answers.find(lookup); given != input_.answers.end()) found = given->second != 0;
      if (options_.observer) options_.observer->answered(lookup, found);
      if (map.is_fixed()) map.exists.emplace(key, found);
    }
    if (it == map.values.end() && found) it = add();
    r0 = it == map.values.end() ? 0 : it->second;
  } else if (id == kUpdate) {
    if (it == map.values.end()) it = add();
    std::vector<uint8_t>& value = *memory.region(it->second);
    std::vector<uint8_t> fresh(value.size());
    // The size of values is a guess where the object does not tell: read what is there.
    uint64_t from = machine.arg(3), size = fresh.size();
    while (size && !memory.read(from, fresh.data(), size)) size /= 2;
    if (options_.maps.contains(map.name)) value = event.bytes = fresh;
    r0 = 0;
  } else {
    r0 = it == map.values.end() && !map.info.known ? uint64_t(-ENOENT) : 0;
    if (it != map.values.end()) map.values.erase(it);
    if (map.info.known) map.gone.insert(key);
  }
  // Who looks up an element of an array once instead of twice does the same.
  if (id != kLookup || !map.is_fixed()) out_.events.push_back(std::move(event));
  return r0;
}

uint64_t SeededWorld::new_element(Machine& machine, const char* name, std::vector<uint8_t> bytes) {
  const uint64_t address =
      machine.memory().add(name, region_address(kHeapBase, next_heap_++), std::move(bytes));
  return address;
}

uint64_t SeededWorld::loop(Machine& machine, int32_t id) {
  const uint64_t callback = machine.arg(2), context = machine.arg(3);
  const uint64_t rounds = id == kLoop ? std::min<uint64_t>(uint32_t(machine.arg(1)), 8) : 2;
  const uint64_t first = machine.arg(1);
  // As a callback, an address inside of a function counts as the function.
  const uint64_t function = function_number(callback);
  if (function >= executable_.functions().size()) return machine.fail("the callback is no function");
  // Flags that no kernel knows, and more than BPF_MAX_LOOPS.
  if (machine.arg(4)) return uint64_t(-EINVAL);
  if (id == kLoop && uint32_t(first) > 1 << 23) return uint64_t(-E2BIG);
  uint64_t n = 0;
  while (n < rounds && !machine.stopped()) {
    std::array<uint64_t, 5> args = {n, context};
    int known = 2;
    if (id == kForEach) {
      // One key and one value of the program's map, from the heap.
      const uint64_t memory = new_element(machine, "element", std::vector<uint8_t>(8192, uint8_t(n)));
      args = {first, memory, memory + 64, context}, known = 4;
    }
    const auto result = machine.call(uint32_t(function), args, known);
    if (!result) return 0;
    ++n;  // the round that stops counts
    if (result->defined && result->r0) break;
  }
  return n;
}

uint64_t SeededWorld::call_helper(Machine& machine, int32_t id) {
  if (id >= kLookup && id <= kDelete && machine.arg_defined(1))
    if (Map* map = map_at(machine.arg(1))) return map_helper(machine, *map, id);
  if (id == kLoop || id == kForEach) return loop(machine, id);
  if (id >= bpf::kFirstImpossibleHelper) return machine.fail(format("there is no helper number {}", id));
  const bpf::HelperContract* contract = bpf::helper(id);
  uint64_t r0 = stub(machine, contract ? std::string(contract->name) : format("helper {}", id),
                     contract ? contract->args : "");
  if (id == kRingbufReserve && !machine.stopped()) {
    const bool none = mix(input_.seed, calls_) % 8 == 0;
    next_heap_ += none;
    r0 = none ? 0 : new_element(machine, "ringbuf", std::vector<uint8_t>(1 << 16));
  }
  // Another program takes over.
  if (id == kTailCall && mix(input_.seed ^ 0x7a11, calls_) % 2) machine.end(0);
  return r0;
}

uint64_t SeededWorld::call_symbol(Machine& machine, uint32_t number) {
  const bpf::Symbol& symbol = executable_.symbol(number);
  return stub(machine, symbol.name, std::string(symbol.signature ? symbol.signature->args : 0, 's'));
}

uint64_t SeededWorld::stub(Machine& machine, const std::string& name, std::string_view kinds) {
  Event event{.what = name};
  for (size_t k = 0; k < kinds.size() && !machine.stopped(); ++k) {
    const uint64_t v = machine.arg(int(k) + 1);
    // Where a buffer lies does not matter, only what stands in it: frames may be laid out anew.
    const bool is_buffer = kinds[k] == 'r' || kinds[k] == 'w' || kinds[k] == 'k' || kinds[k] == 'v';
    event.values.push_back(is_buffer ? v != 0 : v);
    const Map* map = is_buffer && kinds[0] == 'm' ? map_at(machine.arg(1)) : nullptr;
    if (kinds[k] == 'r' && k + 1 < kinds.size())
      read_buffer(machine, event, v, uint32_t(machine.arg(int(k) + 2)));
    else if (kinds[k] == 'k' && map)
      read_buffer(machine, event, v, map->info.key_size);
    else if (kinds[k] == 'v' && map && options_.maps.contains(map->name))
      read_buffer(machine, event, v, map->info.value_size);
  }
  if (machine.stopped()) return 0;
  out_.events.push_back(std::move(event));
  const uint64_t r0 = answer(name);
  for (size_t k = 0; k + 1 < kinds.size(); ++k) {
    if (kinds[k] != 'w') continue;
    const uint64_t to = machine.arg(int(k) + 1),
                   size = std::min<uint64_t>(uint32_t(machine.arg(int(k) + 2)), kMaxBuffer);
    std::vector<uint8_t> bytes(size);
    for (size_t n = 0; n < size; ++n) bytes[n] = uint8_t(mix(input_.seed ^ calls_, n));
    const uint64_t from = kOutputBase + (calls_ << 16) + (k << 13);
    for (auto it = input_.bytes.lower_bound(from); it != input_.bytes.end() && it->first - from < size; ++it)
      bytes[it->first - from] = it->second;
    if (machine.memory().write(to, bytes.data(), size) && options_.observer)
      options_.observer->filled(to, from, uint32_t(size));
  }
  return r0;
}

}  // namespace epass::vm
