#pragma once
#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/id.h"

namespace epass {

// Owns every entity of one kind. Storage is chunks of 2^k entries: references stay valid while the table
// grows, nothing is moved or copied, and copying a table is a plain deep copy. Memory of a chunk that no
// entry has reached yet is never touched.
template <class Key, class T>
class Table {
  static constexpr uint32_t kShift = 10;
  static constexpr uint32_t kChunk = 1u << kShift;

 public:
  Table() = default;
  Table(Table&& other) noexcept : chunks_(std::move(other.chunks_)), size_(std::exchange(other.size_, 0)) {
    other.chunks_.clear();
  }
  Table(const Table& other) { *this = other; }
  Table& operator=(Table&& other) noexcept {
    std::swap(chunks_, other.chunks_);
    std::swap(size_, other.size_);
    return *this;
  }
  Table& operator=(const Table& other) {
    if (this == &other) return *this;
    truncate(0);
    for (uint32_t begin = 0; begin < other.size_; begin += kChunk) {
      const uint32_t count = std::min(kChunk, other.size_ - begin);
      std::uninitialized_copy_n(other.chunks_[begin >> kShift], count, add_chunk());
      size_ += count;
    }
    return *this;
  }
  ~Table() { truncate(0); }

  Key add(T item) {
    T* chunk = size_ == chunks_.size() << kShift ? add_chunk() : chunks_.back();
    std::construct_at(chunk + (size_ & (kChunk - 1)), std::move(item));
    return Key{size_++};
  }
  T& operator[](Key key) {
    EPASS_CHECK(key.index < size_, "id outside its table");
    return chunks_[key.index >> kShift][key.index & (kChunk - 1)];
  }
  const T& operator[](Key key) const { return const_cast<Table&>(*this)[key]; }
  uint32_t size() const { return size_; }
  // Drops the entries from `size` on, and gives back what they took.
  void truncate(uint32_t size) {
    EPASS_CHECK(size <= size_, "a table does not grow by being cut off");
    if constexpr (!std::is_trivially_destructible_v<T>)
      for (uint32_t n = size; n < size_; ++n) std::destroy_at(&(*this)[Key{n}]);
    size_ = size;
    for (; chunks_.size() > (size + kChunk - 1) >> kShift; chunks_.pop_back())
      std::allocator<T>().deallocate(chunks_.back(), kChunk);
  }
  void clear() { truncate(0); }

 private:
  T* add_chunk() {
    chunks_.push_back(std::allocator<T>().allocate(kChunk));
    return chunks_.back();
  }

  std::vector<T*> chunks_;  // memory for kChunk entries each, of which the first `size_` of all are there
  uint32_t size_ = 0;
};

// Facts attached to entities owned elsewhere. Unknown keys read as the default.
template <class Key, class T>
class SideTable {
 public:
  explicit SideTable(T fallback = T{}) : default_(std::move(fallback)) {}
  // Room for keys below `size`, all at the default.
  SideTable(uint32_t size, T fallback) : facts_(size, fallback), default_(std::move(fallback)) {}

  decltype(auto) operator[](Key key) const {
    return key.index < facts_.size() ? facts_[key.index] : default_;
  }
  auto& at(Key key) {
    if (key.index >= facts_.size())
      facts_.resize(std::max<size_t>(key.index + 1, facts_.size() * 2), default_);
    return facts_[key.index];
  }
  void clear() { facts_.clear(); }

 private:
  static_assert(!std::is_same_v<T, bool>, "use uint8_t");
  std::vector<T> facts_;
  T default_;
};

// Where a list stands in its pool. Plain data, so that the record that holds it stays copyable.
struct ListRef {
  uint32_t begin = 0;
  uint32_t size = 0;
};

// Holds many short lists of T. A list never straddles two chunks, so a span of it stays valid while the pool
// grows. Changed lists leave their old place behind; copying the owner's function drops nothing, so edit
// lists sparingly.
template <class T>
class ListPool {
  static constexpr uint32_t kShift = 12, kPage = 1u << kShift;

 public:
  ListRef add(std::span<const T> items) {
    if (items.empty()) return {};
    ListRef ref = reserve(checked_cast<uint32_t>(items.size()));
    std::ranges::copy(items, span(ref).begin());
    return ref;
  }
  std::span<T> span(ListRef ref) {
    if (!ref.size) return {};
    EPASS_CHECK(ref.begin >> kShift < pages_.size(), "list outside its pool");
    return {pages_[ref.begin >> kShift] + (ref.begin & (kPage - 1)), ref.size};
  }
  std::span<const T> span(ListRef ref) const { return const_cast<ListPool&>(*this).span(ref); }

  // Adds one item at the end; the list may move. A list has room for the next power of two, so that growing
  // it item by item moves it rarely.
  void push_back(ListRef& ref, T item) {
    if (ref.size == capacity(ref.size)) {
      ListRef grown = reserve(ref.size + 1);
      std::ranges::copy(span(ref), span(grown).begin());
      ref = grown;
    } else {
      ++ref.size;
    }
    span(ref).back() = item;
  }
  // Removes item `n`, keeping the order of the rest. The room of a list follows from its size, so some of it
  // is lost.
  void erase(ListRef& ref, uint32_t n) {
    std::span<T> items = span(ref);
    std::move(items.begin() + n + 1, items.end(), items.begin() + n);
    --ref.size;
  }

  ListPool() = default;
  ListPool(ListPool&& other) noexcept { *this = std::move(other); }
  ListPool& operator=(ListPool&& other) noexcept {
    std::swap(chunks_, other.chunks_);
    std::swap(pages_, other.pages_);
    std::swap(used_, other.used_);
    return *this;
  }
  ListPool(const ListPool& other) { *this = other; }
  ListPool& operator=(const ListPool& other) {
    if (this == &other) return *this;
    chunks_.clear();
    pages_.clear();
    uint32_t begin = 0;
    for (const Chunk& chunk : other.chunks_) {
      const uint32_t end = begin + chunk.pages * kPage;
      T* copy = add_chunk(chunk.pages);
      if (other.used_ > begin)
        std::memcpy(static_cast<void*>(copy), chunk.items.get(),
                    sizeof(T) * (std::min(end, other.used_) - begin));
      begin = end;
    }
    used_ = other.used_;
    return *this;
  }

 private:
  static_assert(std::is_trivially_copyable_v<T>);
  struct Free {
    void operator()(T* items) const { ::operator delete(items); }
  };
  // Memory that is not touched before a list is put there.
  struct Chunk {
    uint32_t pages = 0;
    std::unique_ptr<T[], Free> items;
  };
  static uint32_t capacity(uint32_t size) { return size ? std::bit_ceil(size) : 0; }
  // A list of that size, with its capacity set aside.
  ListRef reserve(uint32_t size) {
    uint32_t room = capacity(size);
    const uint32_t end = uint32_t(pages_.size()) << kShift;
    if (used_ + room > end) {
      add_chunk((room + kPage - 1) >> kShift);
      used_ = end;
    }
    used_ += room;
    return {used_ - room, size};
  }
  T* add_chunk(uint32_t pages) {
    T* items = static_cast<T*>(::operator new(sizeof(T) * (size_t(pages) << kShift)));
    chunks_.push_back({pages, std::unique_ptr<T[], Free>(items)});
    for (uint32_t n = 0; n < pages; ++n) pages_.push_back(items + (size_t(n) << kShift));
    return items;
  }

  std::vector<Chunk> chunks_;  // one page, or several for a long list
  std::vector<T*> pages_;
  uint32_t used_ = 0;
};

}  // namespace epass
