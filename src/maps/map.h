#pragma once
// The kernel's maps in user space: what they hold, what they answer and which errors they give. One CPU. The
// memory of a value stays where it is for as long as the value is there, and it is made when it is first
// needed: a damaged object may claim any size.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace epass::maps {

struct Spec {
  std::string name = {};
  uint32_t type = 0;  // enum bpf_map_type
  uint32_t key_size = 0, value_size = 0, max_entries = 0, flags = 0;
  bool spin_lock = false;  // values hold a bpf_spin_lock: BPF_F_LOCK is allowed
};

// 0, or the negative error number with which the kernel refuses to make such a map.
int refusal(const Spec& spec);
// `array`, `lru_hash`; "type 99" if it is none that this knows.
std::string type_name(uint32_t type);
uint32_t type_of(std::string_view name);  // 0 unknown

// The bytes of one value. `address` belongs to whoever maps it into a program's memory.
struct Value {
  std::unique_ptr<uint8_t[]> bytes = {};
  uint32_t size = 0;
  uint64_t address = 0;
};

class Map {
 public:
  // Every type has a model; those that only the kernel can serve (sockets, devices) are tables of their keys.
  // Errors: map-refused.
  static Result<std::unique_ptr<Map>> create(Spec spec);
  virtual ~Map() = default;
  Map(const Map&) = delete;
  Map& operator=(const Map&) = delete;

  const Spec& spec() const { return spec_; }

  // Keys have spec().key_size bytes, values spec().value_size. Errors are negative numbers, as the kernel's.
  // `from_program`: it counts as a use where the least recently used entry has to go.
  virtual Value* lookup(const uint8_t* key, bool from_program = true);
  virtual int update(const uint8_t* key, const uint8_t* value, uint64_t flags);
  virtual int erase(const uint8_t* key);
  // The key after that one, or the first if there is no such key or none is given (null).
  virtual int next_key(const uint8_t* key, uint8_t* next);
  virtual int push(const uint8_t* value, uint64_t flags);
  virtual int pop(uint8_t* value);
  virtual int peek(uint8_t* value);  // of a bloom filter: is `value` in it?
  // Every key and value, in the order of next_key, until the function says false. It must not change the map.
  using Visit = std::function<bool(const uint8_t* key, Value& value)>;
  virtual void for_each(const Visit& visit);
  // Only those that somebody asked for or wrote: of arrays, the rest is zeros.
  virtual void for_each_touched(const Visit& visit) { for_each(visit); }

  bool has_entries() const;  // lookup and update make sense: no queue, no ring buffer
  bool per_cpu() const;

  // Called before the memory of a value goes away. Deleted values stay for a while: programs may still read
  // them.
  std::function<void(Value&)> dropped = {};
  void drop_deleted();

 protected:
  explicit Map(Spec spec) : spec_(std::move(spec)) {}
  // Null if this map holds all the memory that it may.
  std::unique_ptr<uint8_t[]> make_bytes(uint64_t size);
  void retire(Value value);  // its key was deleted

  Spec spec_;

 private:
  std::vector<Value> deleted_;
  uint64_t bytes_ = 0, deleted_bytes_ = 0;
};

// A ring buffer that nobody reads, unless take() does.
class RingBuffer : public Map {
 public:
  explicit RingBuffer(Spec spec) : Map(std::move(spec)) {}
  Value* reserve(uint64_t size);  // null: no room
  // The record at that address goes to the reader, or is thrown away. False if it is not reserved.
  bool submit(uint64_t address);
  bool discard(uint64_t address);
  int output(const uint8_t* data, uint64_t size, uint64_t flags);
  uint64_t query(uint64_t what) const;
  // The next record; false if there is none or it is still reserved.
  bool take(std::vector<uint8_t>& record);
  size_t reserved() const;

 private:
  enum class State : uint8_t { kReserved, kSubmitted, kDiscarded };
  struct Record {
    Value value = {};
    State state = State::kReserved;
  };
  bool finish(uint64_t address, State state);

  std::vector<std::unique_ptr<Record>> records_;  // those before `taken_` are gone
  size_t taken_ = 0;
  uint64_t produced_ = 0, consumed_ = 0;
};

// Null if it is no ring buffer.
RingBuffer* ring_buffer(Map* map);

}  // namespace epass::maps
