// Tables and lists own what is in them: copies are apart, and everything is destroyed once.

#include <gtest/gtest.h>

#include <string>

#include "base/table.h"

namespace epass {
namespace {

using Key = Id<struct TestTag>;

// Counts how many there are.
struct Counted {
  static inline int alive = 0;
  std::string text;
  explicit Counted(std::string t) : text(std::move(t)) { ++alive; }
  Counted(const Counted& other) : text(other.text) { ++alive; }
  Counted(Counted&& other) noexcept : text(std::move(other.text)) { ++alive; }
  Counted& operator=(const Counted&) = default;
  Counted& operator=(Counted&&) noexcept = default;
  ~Counted() { --alive; }
};

Table<Key, Counted> numbers(uint32_t count) {
  Table<Key, Counted> table;
  for (uint32_t n = 0; n < count; ++n)
    table.add(Counted("a number that takes memory of its own: " + std::to_string(n)));
  return table;
}

TEST(BaseTable, EntriesStayWhereTheyAreAndGoOnce) {
  {
    Table<Key, Counted> table = numbers(1);
    const Counted* first = &table[Key{0}];
    for (int n = 0; n < 5000; ++n) table.add(Counted("more"));
    EXPECT_EQ(first, &table[Key{0}]);
    EXPECT_EQ(Counted::alive, 5001);
    table.truncate(1024);
    EXPECT_EQ(Counted::alive, 1024) << "a chunk to its end";
    table.truncate(3);
    EXPECT_EQ(Counted::alive, 3);
    EXPECT_EQ(table.add(Counted("again")).index, 3u);
    EXPECT_EQ(table[Key{3}].text, "again");
    table.clear();
    EXPECT_EQ(Counted::alive, 0);
  }
  EXPECT_EQ(Counted::alive, 0);
}

TEST(BaseTable, CopiesAreApart) {
  {
    Table<Key, Counted> table = numbers(2500), copy = table, other = numbers(7);
    copy[Key{2400}].text = "changed";
    EXPECT_EQ(table[Key{2400}].text, numbers(2401)[Key{2400}].text);
    other = copy;
    EXPECT_EQ(other.size(), 2500u);
    EXPECT_EQ(other[Key{2400}].text, "changed");
    copy = std::move(other);
    EXPECT_EQ(copy.size(), 2500u);
    Table<Key, Counted> moved = std::move(copy);
    EXPECT_EQ(moved[Key{2400}].text, "changed");
    const Table<Key, Counted>& itself = table;
    table = itself;
    EXPECT_EQ(table.size(), 2500u);
  }
  EXPECT_EQ(Counted::alive, 0);
}

TEST(BaseListPool, ListsGrowAndCopiesAreApart) {
  ListPool<uint32_t> pool;
  std::vector<ListRef> lists(40);
  for (uint32_t n = 0; n < 300; ++n)
    for (uint32_t k = 0; k < lists.size(); ++k) pool.push_back(lists[k], n * 100 + k);
  const std::vector<uint32_t> many(10'000, 5);
  const ListRef all = pool.add(many);
  ListPool<uint32_t> copy = pool;
  copy.span(lists[3])[299] = 1;
  for (uint32_t k = 0; k < lists.size(); ++k)
    for (uint32_t n = 0; n < 300; ++n) ASSERT_EQ(pool.span(lists[k])[n], n * 100 + k);
  EXPECT_EQ(copy.span(lists[4])[299], 29'904u);
  EXPECT_TRUE(std::ranges::equal(copy.span(all), many)) << "a list of several pages";
  copy.erase(lists[4], 0);
  EXPECT_EQ(copy.span(lists[4])[0], 104u);
  EXPECT_EQ(copy.span(lists[4]).size(), 299u);
}

}  // namespace
}  // namespace epass
