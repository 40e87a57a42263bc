// Time, the current task, loops, locks, timers, dynamic pointers, and kernel functions.

#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/format.h"
#include "world/world.h"

namespace epass::world {

using vm::mix;

namespace {
constexpr uint32_t kMaxRounds = 1 << 23;
uint64_t error(int number) { return static_cast<uint64_t>(static_cast<int64_t>(number)); }
}  // namespace

// Each look at the clock takes a microsecond.
uint64_t World::ktime() { return now_ += 1000; }
uint64_t World::jiffies() { return (now_ += 1000) / 4'000'000; }
uint64_t World::random() { return static_cast<uint32_t>(mix(setup_.seed ^ 0x4a2d, calls_++)); }

uint64_t World::pid_tgid() {
  const uint64_t process = 1000 + mix(setup_.seed, 0x91d) % 30000;
  return process << 32 | process;
}

uint64_t World::uid_gid() {
  const uint64_t user = 1000 + mix(setup_.seed, 0x51d) % 100;
  return user << 32 | user;
}

uint64_t World::loop() {
  const uint64_t rounds = static_cast<uint32_t>(arg(1)), context = arg(3);
  if (arg(4)) return error(-EINVAL);
  if (rounds > kMaxRounds) return error(-E2BIG);
  const auto function = callback(2);
  if (!function) return 0;
  for (uint64_t n = 0; n < rounds; ++n) {
    const auto result = machine_->call(*function, {n, context, 0, 0, 0}, 2);
    if (!result) return 0;
    if (result->r0) return n + 1;
  }
  return rounds;
}

uint64_t World::spin_lock() {
  uint32_t lock = 0;
  if (!read(arg(1), &lock, 4, "the lock")) return 0;
  if (lock) return machine_->fail("the lock is held already", arg(1));
  lock = 1;
  return write(arg(1), &lock, 4, "the lock"), 0;
}

uint64_t World::spin_unlock() {
  const uint32_t lock = 0;
  return write(arg(1), &lock, 4, "the lock"), 0;
}

uint64_t World::kptr_xchg() {
  uint64_t old = 0;
  const uint64_t fresh = arg(2);
  if (!read(arg(1), &old, 8, "the pointer") || !write(arg(1), &fresh, 8, "the pointer")) return 0;
  return old;
}

uint64_t World::timer_init() {
  const uint64_t flags = arg(3);
  constexpr uint64_t kRealtime = 0, kMonotonic = 1, kBoottime = 7;
  if (flags != kRealtime && flags != kMonotonic && flags != kBoottime) return error(-EINVAL);
  if (timers_.contains(arg(1))) return error(-EBUSY);
  WorldMap* map = map_arg(2);
  if (!map) return 0;
  Timer timer{.map = arg(2)};
  // The value that the timer lies in, and its key.
  map->map->for_each_touched([&](const uint8_t* key, maps::Value& value) {
    if (!key || !value.address || arg(1) - value.address >= value.size) return true;
    timer.value = value.address;
    timer.key.assign(key, key + map->map->spec().key_size);
    return false;
  });
  if (!timer.value) return error(-EINVAL);
  timers_[arg(1)] = std::move(timer);
  return 0;
}

uint64_t World::timer_callback() {
  auto it = timers_.find(arg(1));
  if (it == timers_.end()) return error(-EINVAL);
  if (!callback(2)) return 0;
  it->second.callback = arg(2);
  return 0;
}

uint64_t World::timer_start() {
  constexpr uint64_t kAbsolute = 1, kKnown = 3;
  auto it = timers_.find(arg(1));
  if (arg(3) & ~kKnown || it == timers_.end() || !it->second.callback) return error(-EINVAL);
  it->second.armed = true;
  it->second.due = arg(3) & kAbsolute ? arg(2) : now_ + arg(2);
  return 0;
}

uint64_t World::timer_cancel() {
  auto it = timers_.find(arg(1));
  if (it == timers_.end()) return error(-EINVAL);
  const bool was = it->second.armed;
  it->second.armed = false;
  return was;
}

size_t World::armed_timers() const {
  return static_cast<size_t>(std::ranges::count_if(timers_, [](const auto& t) { return t.second.armed; }));
}

std::optional<vm::Run> World::fire_timer(vm::Machine& machine) {
  Timer* first = nullptr;
  for (auto& [address, timer] : timers_)
    if (timer.armed && (!first || timer.due < first->due)) first = &timer;
  if (!first) return std::nullopt;
  machine_ = &machine;
  first->armed = false;
  now_ = std::max(now_, first->due);
  std::vector<uint8_t> key = first->key;
  const uint64_t key_address = memory().add("key", next_heap_, key.data(), key.size(), false);
  const auto function = machine.function_at(first->callback);
  vm::Run run = machine.run(function ? *function : UINT32_MAX, {first->map, key_address, first->value});
  memory().remove(key_address);
  return run;
}

// struct bpf_dynptr as programs see it: 16 bytes that only helpers understand.
bool World::load_dynptr(uint64_t address, Dynptr& out) {
  uint64_t words[2] = {};
  if (!read(address, words, sizeof words, "the dynptr")) return false;
  out = {words[0], static_cast<uint32_t>(words[1]) & 0x7fff'ffff, static_cast<uint32_t>(words[1] >> 32),
         (words[1] & 0x8000'0000) != 0};
  return true;
}

bool World::store_dynptr(uint64_t address, const Dynptr& d) {
  const uint64_t words[2] = {d.data, d.size | (d.read_only ? 0x8000'0000u : 0u) | uint64_t{d.offset} << 32};
  return write(address, words, sizeof words, "the dynptr");
}

uint64_t World::dynptr_from_mem() {
  constexpr uint64_t kLargest = (1 << 24) - 1;
  const uint64_t size = static_cast<uint32_t>(arg(2));
  const int result = size > kLargest ? -E2BIG : arg(3) ? -EINVAL : 0;
  if (!store_dynptr(arg(4), result ? Dynptr{} : Dynptr{arg(1), static_cast<uint32_t>(size), 0, false}))
    return 0;
  return error(result);
}

uint64_t World::dynptr_read() {
  Dynptr d;
  if (!load_dynptr(arg(3), d)) return 0;
  const uint64_t size = static_cast<uint32_t>(arg(2)), offset = static_cast<uint32_t>(arg(4));
  if (!d.data || arg(5)) return error(-EINVAL);
  if (offset > d.size || size > d.size - offset) return error(-E2BIG);
  if (!readable(d.data + d.offset + offset, size, "the dynptr's memory")) return 0;
  std::vector<uint8_t> bytes(size);
  if (!read(d.data + d.offset + offset, bytes.data(), size, "the dynptr's memory")) return 0;
  return write(arg(1), bytes.data(), size, "the buffer"), 0;
}

uint64_t World::dynptr_write() {
  Dynptr d;
  if (!load_dynptr(arg(1), d)) return 0;
  const uint64_t size = static_cast<uint32_t>(arg(4)), offset = static_cast<uint32_t>(arg(2));
  if (!d.data || d.read_only || arg(5)) return error(-EINVAL);
  if (offset > d.size || size > d.size - offset) return error(-E2BIG);
  if (!readable(arg(3), size, "the buffer")) return 0;
  std::vector<uint8_t> bytes(size);
  if (!read(arg(3), bytes.data(), size, "the buffer")) return 0;
  return write(d.data + d.offset + offset, bytes.data(), size, "the dynptr's memory"), 0;
}

uint64_t World::dynptr_data() {
  Dynptr d;
  if (!load_dynptr(arg(1), d)) return 0;
  const uint64_t size = static_cast<uint32_t>(arg(3)), offset = static_cast<uint32_t>(arg(2));
  if (!d.data || d.read_only || offset > d.size || size > d.size - offset) return 0;
  return d.data + d.offset + offset;
}

uint64_t World::ringbuf_reserve_dynptr() {
  WorldMap* map = map_arg();
  maps::RingBuffer* ring = map ? maps::ring_buffer(map->map.get()) : nullptr;
  if (!ring) return machine_->stopped() ? 0 : error(-EINVAL);
  const uint64_t size = static_cast<uint32_t>(arg(2));
  constexpr uint64_t kLargest = (1 << 24) - 1;
  maps::Value* record = arg(3) || size > kLargest ? nullptr : ring->reserve(size);
  Dynptr d;
  if (record) {
    record->address = give_memory(format("{} record", ring->spec().name), record->bytes.get(), record->size);
    d = {record->address, static_cast<uint32_t>(size), 0, false};
  }
  if (!store_dynptr(arg(4), d)) return 0;
  return record ? 0 : error(!arg(3) && size > kLargest ? -E2BIG : -EINVAL);
}

uint64_t World::ringbuf_submit_dynptr() {
  Dynptr d;
  if (load_dynptr(arg(1), d) && d.data && finish_record(d.data, true)) store_dynptr(arg(1), {});
  return 0;
}

uint64_t World::ringbuf_discard_dynptr() {
  Dynptr d;
  if (load_dynptr(arg(1), d) && d.data && finish_record(d.data, false)) store_dynptr(arg(1), {});
  return 0;
}

// The default handler gives the program the cookie as its result.
uint64_t World::throw_exception() { return machine_->end(arg(1)); }
uint64_t World::same() { return arg(1); }

// struct bpf_iter_num: the current number and the end, 32 bits each.
uint64_t World::iter_new() {
  const int32_t start = static_cast<int32_t>(arg(2)), end = static_cast<int32_t>(arg(3));
  int32_t state[2] = {};
  int result = 0;
  if (start > end)
    result = -EINVAL;
  else if (int64_t{end} - start > int64_t{kMaxRounds})
    result = -E2BIG;
  else
    state[0] = static_cast<int32_t>(static_cast<uint32_t>(start) - 1), state[1] = end;
  return write(arg(1), state, sizeof state, "the iterator") ? error(result) : 0;
}

uint64_t World::iter_next() {
  int32_t state[2] = {};
  if (!read(arg(1), state, sizeof state, "the iterator")) return 0;
  const bool more = int64_t{static_cast<int32_t>(static_cast<uint32_t>(state[0]) + 1)} < state[1];
  if (more)
    state[0] = static_cast<int32_t>(static_cast<uint32_t>(state[0]) + 1);
  else
    state[0] = state[1] = 0;
  return write(arg(1), state, sizeof state, "the iterator") && more ? arg(1) : 0;
}

uint64_t World::iter_destroy() {
  const int32_t state[2] = {};
  return write(arg(1), state, sizeof state, "the iterator"), 0;
}

std::span<const World::Row> World::misc_rows() {
  constexpr int32_t kKtimeTai = 208;
  static constexpr Row kRows[] = {
      {BPF_FUNC_ktime_get_ns, &World::ktime},
      {BPF_FUNC_ktime_get_boot_ns, &World::ktime},
      {BPF_FUNC_ktime_get_coarse_ns, &World::ktime},
      {kKtimeTai, &World::ktime},
      {BPF_FUNC_jiffies64, &World::jiffies},
      {BPF_FUNC_get_prandom_u32, &World::random},
      {BPF_FUNC_get_smp_processor_id, &World::zero},
      {BPF_FUNC_get_numa_node_id, &World::zero},
      {BPF_FUNC_get_current_pid_tgid, &World::pid_tgid},
      {BPF_FUNC_get_current_uid_gid, &World::uid_gid},
      {BPF_FUNC_csum_diff, &World::csum_diff},
      {BPF_FUNC_redirect, &World::redirect},
      {BPF_FUNC_redirect_peer, &World::redirect_plain},
      {BPF_FUNC_loop, &World::loop},
      {BPF_FUNC_spin_lock, &World::spin_lock},
      {BPF_FUNC_spin_unlock, &World::spin_unlock},
      {BPF_FUNC_kptr_xchg, &World::kptr_xchg},
      {BPF_FUNC_timer_init, &World::timer_init},
      {BPF_FUNC_timer_set_callback, &World::timer_callback},
      {BPF_FUNC_timer_start, &World::timer_start},
      {BPF_FUNC_timer_cancel, &World::timer_cancel},
      {BPF_FUNC_dynptr_from_mem, &World::dynptr_from_mem},
      {BPF_FUNC_dynptr_read, &World::dynptr_read},
      {BPF_FUNC_dynptr_write, &World::dynptr_write},
      {BPF_FUNC_dynptr_data, &World::dynptr_data},
      {BPF_FUNC_ringbuf_reserve_dynptr, &World::ringbuf_reserve_dynptr},
      {BPF_FUNC_ringbuf_submit_dynptr, &World::ringbuf_submit_dynptr},
      {BPF_FUNC_ringbuf_discard_dynptr, &World::ringbuf_discard_dynptr},
  };
  return kRows;
}

std::span<const World::NamedRow> World::named_rows() {
  static constexpr NamedRow kRows[] = {
      {"bpf_throw", &World::throw_exception},   {"bpf_rcu_read_lock", &World::zero},
      {"bpf_rcu_read_unlock", &World::zero},    {"bpf_preempt_disable", &World::zero},
      {"bpf_preempt_enable", &World::zero},     {"bpf_cast_to_kern_ctx", &World::same},
      {"bpf_rdonly_cast", &World::same},        {"bpf_iter_num_new", &World::iter_new},
      {"bpf_iter_num_next", &World::iter_next}, {"bpf_iter_num_destroy", &World::iter_destroy},
  };
  return kRows;
}

}  // namespace epass::world
