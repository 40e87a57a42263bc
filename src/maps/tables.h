#pragma once
// The models behind Map::create.

#include <cstring>
#include <deque>
#include <list>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "maps/map.h"

namespace epass::maps {

// Array and per-CPU array: every index up to the size exists, with zeros until something is written.
class Array : public Map {
 public:
  explicit Array(Spec spec) : Map(std::move(spec)) {}
  Value* lookup(const uint8_t* key, bool from_program) override;
  int update(const uint8_t* key, const uint8_t* value, uint64_t flags) override;
  int erase(const uint8_t* key) override;
  int next_key(const uint8_t* key, uint8_t* next) override;
  void for_each(const Visit& visit) override;
  void for_each_touched(const Visit& visit) override;

 private:
  std::unordered_map<uint32_t, Value> values_;
};

// Arrays whose slots are empty until something is put there: of programs, maps, devices, sockets.
class SlotArray : public Map {
 public:
  explicit SlotArray(Spec spec) : Map(std::move(spec)) {}
  Value* lookup(const uint8_t* key, bool from_program) override;
  int update(const uint8_t* key, const uint8_t* value, uint64_t flags) override;
  int erase(const uint8_t* key) override;
  int next_key(const uint8_t* key, uint8_t* next) override;
  void for_each(const Visit& visit) override;

 private:
  std::map<uint32_t, Value> values_;
};

// Hash tables of all kinds. In order of insertion; where the least recently used entry goes, in order of use.
class Hash : public Map {
 public:
  explicit Hash(Spec spec) : Map(std::move(spec)) {}
  Value* lookup(const uint8_t* key, bool from_program) override;
  int update(const uint8_t* key, const uint8_t* value, uint64_t flags) override;
  int erase(const uint8_t* key) override;
  int next_key(const uint8_t* key, uint8_t* next) override;
  void for_each(const Visit& visit) override;

 private:
  struct Entry {
    std::string key = {};
    Value value = {};
  };
  std::string_view view(const uint8_t* key) const {
    return {reinterpret_cast<const char*>(key), spec_.key_size};
  }

  std::list<Entry> entries_;
  std::unordered_map<std::string_view, std::list<Entry>::iterator> index_;  // keys lie in the entries
};

// Longest prefix match. Keys: 32 bits of length, then the bytes.
class Trie : public Map {
 public:
  explicit Trie(Spec spec) : Map(std::move(spec)) {}
  Value* lookup(const uint8_t* key, bool from_program) override;
  int update(const uint8_t* key, const uint8_t* value, uint64_t flags) override;
  int erase(const uint8_t* key) override;
  int next_key(const uint8_t* key, uint8_t* next) override;
  void for_each(const Visit& visit) override;

 private:
  // As a walk over the tree that visits children first.
  struct ChildrenFirst {
    bool operator()(const std::string& a, const std::string& b) const;
  };
  uint32_t max_length() const { return (spec_.key_size - 4) * 8; }
  std::string canonical(const uint8_t* key, uint32_t length) const;  // without bits behind the prefix

  struct Entry {
    std::string key = {};  // as it was given
    Value value = {};
  };
  std::map<std::string, Entry, ChildrenFirst> entries_;
  std::map<uint32_t, uint32_t, std::greater<>> lengths_;  // how many entries have each, longest first
};

// Queue and stack.
class Queue : public Map {
 public:
  explicit Queue(Spec spec) : Map(std::move(spec)) {}
  int push(const uint8_t* value, uint64_t flags) override;
  int pop(uint8_t* value) override;
  int peek(uint8_t* value) override;
  void for_each(const Visit& visit) override;

 private:
  bool is_stack() const;
  std::deque<std::vector<uint8_t>> values_;
};

class Bloom : public Map {
 public:
  explicit Bloom(Spec spec) : Map(std::move(spec)) {}
  int push(const uint8_t* value, uint64_t flags) override;
  int peek(uint8_t* value) override;

 private:
  std::vector<uint64_t> bits_of(const uint8_t* value) const;
  std::unordered_set<uint64_t> set_;  // bits that are 1
};

inline uint32_t index_of(const uint8_t* key) {
  uint32_t index = 0;
  std::memcpy(&index, key, sizeof index);
  return index;
}

}  // namespace epass::maps
