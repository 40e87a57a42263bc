// Maps without keys: queues, stacks, bloom filters, ring buffers.

#include <algorithm>
#include <cerrno>

#include "maps/tables.h"
#include "maps/types.h"

namespace epass::maps {

bool Queue::is_stack() const { return spec_.type == BPF_MAP_TYPE_STACK; }

int Queue::push(const uint8_t* value, uint64_t flags) {
  const bool replace = flags & BPF_EXIST;
  if (flags & BPF_NOEXIST || flags > BPF_EXIST) return -EINVAL;
  if (values_.size() >= spec_.max_entries) {
    if (!replace) return -E2BIG;
    values_.pop_front();
  }
  if (values_.size() * spec_.value_size > 256 << 20) return -ENOMEM;
  values_.emplace_back(value, value + spec_.value_size);
  return 0;
}

int Queue::peek(uint8_t* value) {
  if (values_.empty()) {
    std::memset(value, 0, spec_.value_size);
    return -ENOENT;
  }
  std::ranges::copy(is_stack() ? values_.back() : values_.front(), value);
  return 0;
}

int Queue::pop(uint8_t* value) {
  const int error = peek(value);
  if (error == 0) is_stack() ? values_.pop_back() : values_.pop_front();
  return error;
}

void Queue::for_each(const Visit& visit) {
  for (std::vector<uint8_t>& bytes : values_) {
    Value value{make_bytes(bytes.size()), static_cast<uint32_t>(bytes.size()), 0};
    if (!value.bytes) return;
    std::ranges::copy(bytes, value.bytes.get());
    const bool go_on = visit(nullptr, value);
    retire(std::move(value));
    if (!go_on) return;
  }
}

std::vector<uint64_t> Bloom::bits_of(const uint8_t* value) const {
  // As many bits as the kernel sets by default, of a table that is as large as its.
  constexpr int kHashes = 5;
  const uint64_t wanted = std::min<uint64_t>(uint64_t{spec_.max_entries} * kHashes * 7 / 5, 1ull << 31);
  uint64_t size = 64;
  while (size < wanted) size *= 2;
  std::vector<uint64_t> bits;
  for (int n = 0; n < kHashes; ++n) {
    uint64_t hash = 14695981039346656037ull + static_cast<uint64_t>(n) * 0x9e3779b97f4a7c15ull;
    for (uint32_t k = 0; k < spec_.value_size; ++k) hash = (hash ^ value[k]) * 1099511628211ull;
    hash ^= hash >> 29;
    hash *= 0xbf58476d1ce4e5b9ull;
    bits.push_back((hash ^ hash >> 32) & (size - 1));
  }
  return bits;
}

int Bloom::push(const uint8_t* value, uint64_t flags) {
  if (flags != BPF_ANY) return -EINVAL;
  for (uint64_t bit : bits_of(value)) set_.insert(bit);
  return 0;
}

int Bloom::peek(uint8_t* value) {
  for (uint64_t bit : bits_of(value))
    if (!set_.contains(bit)) return -ENOENT;
  return 0;
}

namespace {
constexpr uint64_t kRecordHead = 8;
constexpr uint64_t kMaxRecord = UINT32_MAX / 4;

uint64_t room_of(uint64_t size) { return (size + kRecordHead + 7) / 8 * 8; }
}  // namespace

RingBuffer* ring_buffer(Map* map) {
  return map && map->spec().type == BPF_MAP_TYPE_RINGBUF ? static_cast<RingBuffer*>(map) : nullptr;
}

Value* RingBuffer::reserve(uint64_t size) {
  if (size > kMaxRecord || room_of(size) > spec_.max_entries) return nullptr;
  if (produced_ + room_of(size) - consumed_ > spec_.max_entries - 1) return nullptr;
  auto record = std::make_unique<Record>();
  record->value.bytes = make_bytes(size);
  if (!record->value.bytes) return nullptr;
  record->value.size = static_cast<uint32_t>(size);
  produced_ += room_of(size);
  records_.push_back(std::move(record));
  return &records_.back()->value;
}

bool RingBuffer::finish(uint64_t address, State state) {
  // The newest ones are the likeliest.
  for (size_t n = records_.size(); n-- > taken_;)
    if (Record& r = *records_[n]; r.value.address == address && r.state == State::kReserved) {
      r.state = state;
      return true;
    }
  return false;
}

bool RingBuffer::submit(uint64_t address) { return finish(address, State::kSubmitted); }
bool RingBuffer::discard(uint64_t address) { return finish(address, State::kDiscarded); }

int RingBuffer::output(const uint8_t* data, uint64_t size, uint64_t flags) {
  if (flags & ~static_cast<uint64_t>(BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP)) return -EINVAL;
  Value* value = reserve(size);
  if (!value) return -EAGAIN;
  if (size) std::memcpy(value->bytes.get(), data, size);
  records_.back()->state = State::kSubmitted;
  return 0;
}

uint64_t RingBuffer::query(uint64_t what) const {
  switch (what) {
    case BPF_RB_AVAIL_DATA: return produced_ - consumed_;
    case BPF_RB_RING_SIZE: return spec_.max_entries;
    case BPF_RB_CONS_POS: return consumed_;
    case BPF_RB_PROD_POS: return produced_;
    default: return 0;
  }
}

bool RingBuffer::take(std::vector<uint8_t>& out) {
  while (taken_ < records_.size() && records_[taken_]->state != State::kReserved) {
    Record& r = *records_[taken_++];
    consumed_ += room_of(r.value.size);
    const bool submitted = r.state == State::kSubmitted;
    if (submitted) out.assign(r.value.bytes.get(), r.value.bytes.get() + r.value.size);
    retire(std::move(r.value));
    if (taken_ == records_.size()) records_.clear(), taken_ = 0;
    if (submitted) return true;
  }
  return false;
}

size_t RingBuffer::reserved() const {
  return static_cast<size_t>(
      std::ranges::count_if(records_, [](const auto& r) { return r->state == State::kReserved; }));
}

}  // namespace epass::maps
