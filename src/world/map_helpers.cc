// Helpers of maps, ring buffers and tail calls.

#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/format.h"
#include "maps/types.h"
#include "world/world.h"

namespace epass::world {

using vm::mix;

namespace {
constexpr uint32_t kMaxTailCalls = 33;
constexpr uint64_t kCpu = 0;
uint64_t error(int number) { return static_cast<uint64_t>(static_cast<int64_t>(number)); }
}  // namespace

World::WorldMap* World::map_arg(int k) {
  WorldMap* map = map_at(arg(k));
  if (!map) machine_->fail(format("{:#x} in r{} is no map", arg(k), k));
  return map;
}

bool World::read_key(const WorldMap& map, int k, std::vector<uint8_t>& key) {
  key.resize(map.map->spec().key_size);
  return read(arg(k), key.data(), key.size(), "the key");
}

bool World::read_value(const WorldMap& map, int k, std::vector<uint8_t>& value) {
  if (!readable(arg(k), map.map->spec().value_size, "the value")) return false;
  value.resize(map.map->spec().value_size);
  // Nothing tells how large values of an unknown map are: read what is there.
  if (map.guessed) {
    for (size_t size = value.size(); size; size /= 2)
      if (memory().read(arg(k), value.data(), size)) return true;
    return true;
  }
  return read(arg(k), value.data(), value.size(), "the value");
}

// In maps that nothing defines, keys that were never written exist or not as the seed says.
maps::Value* World::guess(WorldMap& map, const std::vector<uint8_t>& key) {
  uint64_t h = mix(setup_.seed ^ 0x100c, key.size());
  for (uint8_t byte : key) h = mix(h, byte);
  if (h % 4 == 0) return nullptr;
  std::vector<uint8_t> value(map.map->spec().value_size);
  for (size_t n = 0; n < value.size(); ++n)
    value[n] = static_cast<uint8_t>(mix(setup_.seed ^ 0x3a9, n + key.size()));
  map.map->update(key.data(), value.data(), BPF_ANY);
  return map.map->lookup(key.data());
}

uint64_t World::map_lookup() {
  WorldMap* map = map_arg();
  std::vector<uint8_t> key;
  if (!map || !read_key(*map, 2, key)) return 0;
  const uint32_t type = map->map->spec().type;
  if (type == BPF_MAP_TYPE_PROG_ARRAY || type == BPF_MAP_TYPE_PERF_EVENT_ARRAY) return 0;
  maps::Value* value = map->map->lookup(key.data());
  if (!value && map->guessed) value = guess(*map, key);
  if (!value) return 0;
  if (type == BPF_MAP_TYPE_ARRAY_OF_MAPS || type == BPF_MAP_TYPE_HASH_OF_MAPS) {
    uint64_t inner = 0;
    std::memcpy(&inner, value->bytes.get(), sizeof inner);
    return inner;
  }
  return value_address(*map, key.data(), *value);
}

uint64_t World::map_lookup_percpu() { return static_cast<uint32_t>(arg(3)) == kCpu ? map_lookup() : 0; }

uint64_t World::map_update() {
  WorldMap* map = map_arg();
  std::vector<uint8_t> key, value;
  if (!map || !read_key(*map, 2, key) || !read_value(*map, 3, value)) return 0;
  return error(map->map->update(key.data(), value.data(), arg(4)));
}

uint64_t World::map_delete() {
  WorldMap* map = map_arg();
  std::vector<uint8_t> key;
  if (!map || !read_key(*map, 2, key)) return 0;
  return error(map->map->erase(key.data()));
}

// Null: it has keys, and the machine has failed.
World::WorldMap* World::queue_arg() {
  WorldMap* map = map_arg();
  if (!map || !map->map->has_entries()) return map;
  machine_->fail(format("`{}` is no queue, stack or bloom filter", map->map->spec().name));
  return nullptr;
}

uint64_t World::map_push() {
  WorldMap* map = queue_arg();
  std::vector<uint8_t> value;
  if (!map || !read_value(*map, 2, value)) return 0;
  return error(map->map->push(value.data(), arg(3)));
}

uint64_t World::map_pop() {
  WorldMap* map = queue_arg();
  if (!map) return 0;
  std::vector<uint8_t> value(map->map->spec().value_size);
  const int result = map->map->pop(value.data());
  return write(arg(2), value.data(), value.size(), "the value") ? error(result) : 0;
}

uint64_t World::map_peek() {
  WorldMap* map = queue_arg();
  std::vector<uint8_t> value;
  if (!map || !read_value(*map, 2, value)) return 0;
  const int result = map->map->peek(value.data());
  return write(arg(2), value.data(), value.size(), "the value") ? error(result) : 0;
}

// Keys are gathered first: callbacks may change a hash table. Arrays are walked.
uint64_t World::for_each() {
  WorldMap* map = map_arg();
  if (!map) return 0;
  if (arg(4)) return error(-EINVAL);
  const auto function = callback(2);
  if (!function) return 0;
  const uint64_t handle = arg(1), context = arg(3);
  const maps::Spec& spec = map->map->spec();
  const bool array = spec.type == BPF_MAP_TYPE_ARRAY || spec.type == BPF_MAP_TYPE_PERCPU_ARRAY;
  std::vector<std::vector<uint8_t>> keys;
  if (!array)
    map->map->for_each([&](const uint8_t* key, maps::Value&) {
      if (key) keys.emplace_back(key, key + spec.key_size);
      return key != nullptr;
    });
  std::vector<uint8_t> key(spec.key_size);
  const uint64_t key_address = memory().add("key", next_heap_, key.data(), key.size(), false);
  next_heap_ += uint64_t{1} << 33;
  uint64_t visited = 0;
  const uint64_t count = array ? spec.max_entries : keys.size();
  for (uint64_t n = 0; n < count; ++n) {
    if (array)
      std::memcpy(key.data(), &n, std::min<size_t>(4, key.size()));
    else
      std::memcpy(key.data(), keys[n].data(), key.size());
    maps::Value* value = map->map->lookup(key.data());
    if (!value && array) break;  // no memory for more
    if (!value) continue;
    const uint64_t address = value_address(*map, key.data(), *value);
    const auto result = machine_->call(*function, {handle, key_address, address, context, 0}, 4);
    if (!result) break;
    ++visited;
    if (result->r0) break;
  }
  memory().remove(key_address);
  next_heap_ -= uint64_t{1} << 33;
  return visited;
}

// Null: it is none, and the machine has failed.
World::WorldMap* World::storage_arg() {
  WorldMap* map = map_arg();
  const uint32_t type = map ? map->map->spec().type : 0;
  if (maps::is_storage(type) || type == BPF_MAP_TYPE_CGROUP_STORAGE ||
      type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE)
    return map;
  if (map) machine_->fail(format("`{}` is no storage", map->map->spec().name));
  return nullptr;
}

uint64_t World::storage_get() {
  WorldMap* map = storage_arg();
  if (!map) return 0;
  const uint64_t object = arg(2), flags = arg(4), initial = arg(3);
  if (!object || flags & ~uint64_t{BPF_LOCAL_STORAGE_GET_F_CREATE}) return 0;
  std::vector<uint8_t> key(map->map->spec().key_size);
  std::memcpy(key.data(), &object, std::min<size_t>(8, key.size()));
  maps::Value* value = map->map->lookup(key.data());
  if (!value && flags) {
    std::vector<uint8_t> bytes(map->map->spec().value_size);
    if (initial && !read(initial, bytes.data(), bytes.size(), "the value")) return 0;
    if (map->map->update(key.data(), bytes.data(), BPF_NOEXIST)) return 0;
    value = map->map->lookup(key.data());
  }
  return value ? value_address(*map, key.data(), *value) : 0;
}

uint64_t World::storage_delete() {
  WorldMap* map = storage_arg();
  if (!map) return 0;
  const uint64_t object = arg(2);
  if (!object) return error(-EINVAL);
  std::vector<uint8_t> key(map->map->spec().key_size);
  std::memcpy(key.data(), &object, std::min<size_t>(8, key.size()));
  return error(map->map->erase(key.data()));
}

// One value for the cgroup that the program is attached to.
uint64_t World::local_storage() {
  WorldMap* map = storage_arg();
  if (!map) return 0;
  const std::vector<uint8_t> key(map->map->spec().key_size), zeros(map->map->spec().value_size);
  maps::Value* value = map->map->lookup(key.data());
  if (!value) {
    map->map->update(key.data(), zeros.data(), BPF_ANY);
    value = map->map->lookup(key.data());
  }
  return value ? value_address(*map, key.data(), *value) : 0;
}

uint64_t World::tail_call() {
  WorldMap* map = map_at(arg(2));
  if (!map || map->map->spec().type != BPF_MAP_TYPE_PROG_ARRAY)
    return map && map->guessed ? (machine_->undefine_r0(), 0)
                               : machine_->fail(format("{:#x} in r2 is no program array", arg(2)));
  const uint32_t index = static_cast<uint32_t>(arg(3));
  maps::Value* slot = map->map->lookup(reinterpret_cast<const uint8_t*>(&index));
  if (!slot || tail_calls_ >= kMaxTailCalls) {
    machine_->undefine_r0();
    return 0;
  }
  ++tail_calls_;
  uint32_t function = 0;
  std::memcpy(&function, slot->bytes.get(), sizeof function);
  tell({.what = "bpf_tail_call", .map = map->map->spec().name, .values = {index}});
  return machine_->tail_call(function, arg(1));
}

uint64_t World::ringbuf_output() {
  WorldMap* map = map_arg();
  if (!map) return 0;
  maps::RingBuffer* ring = maps::ring_buffer(map->map.get());
  if (!ring) return machine_->fail(format("`{}` is no ring buffer", map->map->spec().name));
  if (arg(3) > ring->spec().max_entries) return error(-EAGAIN);
  if (!readable(arg(2), arg(3), "the record")) return 0;
  std::vector<uint8_t> bytes(arg(3));
  if (!read(arg(2), bytes.data(), bytes.size(), "the record")) return 0;
  const int result = ring->output(bytes.data(), bytes.size(), arg(4));
  if (result == 0) tell({.what = "bpf_ringbuf_output", .map = ring->spec().name, .bytes = std::move(bytes)});
  return error(result);
}

uint64_t World::ringbuf_reserve() {
  WorldMap* map = map_arg();
  if (!map) return 0;
  maps::RingBuffer* ring = maps::ring_buffer(map->map.get());
  if (!ring) return machine_->fail(format("`{}` is no ring buffer", map->map->spec().name));
  if (arg(3)) return 0;
  maps::Value* record = ring->reserve(arg(2));
  if (!record) return 0;
  return record->address =
             give_memory(format("{} record", ring->spec().name), record->bytes.get(), record->size);
}

bool World::finish_record(uint64_t address, bool submit) {
  for (WorldMap& map : maps_) {
    maps::RingBuffer* ring = maps::ring_buffer(map.map.get());
    if (!ring) continue;
    const vm::Region* region = memory().raw() ? nullptr : memory().find_region(address);
    std::vector<uint8_t> bytes;
    if (submit && region) bytes.assign(region->host, region->host + region->size);
    if (!(submit ? ring->submit(address) : ring->discard(address))) continue;
    if (submit) tell({.what = "bpf_ringbuf_output", .map = ring->spec().name, .bytes = std::move(bytes)});
    return true;
  }
  machine_->fail(format("{} is no reserved record", memory().place(address)), address);
  return false;
}

uint64_t World::ringbuf_submit() { return finish_record(arg(1), true), 0; }
uint64_t World::ringbuf_discard() { return finish_record(arg(1), false), 0; }

uint64_t World::ringbuf_query() {
  WorldMap* map = map_arg();
  const maps::RingBuffer* ring = map ? maps::ring_buffer(map->map.get()) : nullptr;
  return ring ? ring->query(arg(2)) : 0;
}

// Every CPU's buffer is open, and its reader keeps up.
uint64_t World::perf_output() {
  WorldMap* map = map_arg(2);
  if (!map) return 0;
  const uint64_t flags = arg(3), size = arg(5), context_bytes = flags >> 32 & 0xfffff;
  const bool packets = setup_.context != vm::Context::kRaw;
  if (flags & ~(packets ? BPF_F_CTXLEN_MASK | BPF_F_INDEX_MASK : BPF_F_INDEX_MASK)) return error(-EINVAL);
  if (packets && context_bytes > packet_size()) return error(-EFAULT);
  const uint64_t index = (flags & BPF_F_INDEX_MASK) == BPF_F_CURRENT_CPU ? kCpu : flags & BPF_F_INDEX_MASK;
  if (index >= map->map->spec().max_entries) return error(-E2BIG);
  if (size > 0xffff) return error(-E2BIG);
  std::vector<uint8_t> bytes(size);
  if (!read(arg(4), bytes.data(), size, "the record")) return 0;
  if (packets && context_bytes)
    bytes.insert(bytes.end(), packet_.buffer.begin() + static_cast<ptrdiff_t>(packet_.begin),
                 packet_.buffer.begin() + static_cast<ptrdiff_t>(packet_.begin + context_bytes));
  tell({.what = "bpf_perf_event_output", .map = map->map->spec().name, .bytes = std::move(bytes)});
  return 0;
}

uint64_t World::redirect_map() {
  WorldMap* map = map_arg();
  if (!map) return 0;
  const uint64_t flags = arg(3);
  const uint64_t index = arg(2);
  std::vector<uint8_t> key(std::max<size_t>(map->map->spec().key_size, 4));
  std::memcpy(key.data(), &index, 4);
  constexpr uint64_t kActions = 3, kBroadcast = BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS;
  const uint32_t type = map->map->spec().type;
  const bool devices = type == BPF_MAP_TYPE_DEVMAP || type == BPF_MAP_TYPE_DEVMAP_HASH;
  if (flags & ~(kActions | (devices ? kBroadcast : 0))) return XDP_ABORTED;
  if (!map->map->lookup(key.data()) && !(flags & BPF_F_BROADCAST)) return flags & kActions;
  tell({.what = "bpf_redirect_map", .map = map->map->spec().name, .values = {index}});
  return XDP_REDIRECT;
}

std::span<const World::Row> World::map_rows() {
  constexpr int32_t kCgrpStorageGet = 210, kCgrpStorageDelete = 211;
  static constexpr Row kRows[] = {
      {BPF_FUNC_map_lookup_elem, &World::map_lookup},
      {BPF_FUNC_map_update_elem, &World::map_update},
      {BPF_FUNC_map_delete_elem, &World::map_delete},
      {BPF_FUNC_map_push_elem, &World::map_push},
      {BPF_FUNC_map_pop_elem, &World::map_pop},
      {BPF_FUNC_map_peek_elem, &World::map_peek},
      {BPF_FUNC_map_lookup_percpu_elem, &World::map_lookup_percpu},
      {BPF_FUNC_for_each_map_elem, &World::for_each},
      {BPF_FUNC_sk_storage_get, &World::storage_get},
      {BPF_FUNC_inode_storage_get, &World::storage_get},
      {BPF_FUNC_task_storage_get, &World::storage_get},
      {kCgrpStorageGet, &World::storage_get},
      {BPF_FUNC_sk_storage_delete, &World::storage_delete},
      {BPF_FUNC_inode_storage_delete, &World::storage_delete},
      {BPF_FUNC_task_storage_delete, &World::storage_delete},
      {kCgrpStorageDelete, &World::storage_delete},
      {BPF_FUNC_get_local_storage, &World::local_storage},
      {BPF_FUNC_tail_call, &World::tail_call},
      {BPF_FUNC_ringbuf_output, &World::ringbuf_output},
      {BPF_FUNC_ringbuf_reserve, &World::ringbuf_reserve},
      {BPF_FUNC_ringbuf_submit, &World::ringbuf_submit},
      {BPF_FUNC_ringbuf_discard, &World::ringbuf_discard},
      {BPF_FUNC_ringbuf_query, &World::ringbuf_query},
      {BPF_FUNC_perf_event_output, &World::perf_output},
      {BPF_FUNC_skb_output, &World::perf_output},
      {BPF_FUNC_xdp_output, &World::perf_output},
      {BPF_FUNC_redirect_map, &World::redirect_map},
  };
  return kRows;
}

}  // namespace epass::world
