// What the maps answer where no kernel is asked.

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <cerrno>
#include <cstring>

#include "maps/map.h"

namespace epass {
namespace {

using maps::Map;

std::vector<uint8_t> number(uint32_t n) {
  std::vector<uint8_t> bytes(4);
  std::memcpy(bytes.data(), &n, 4);
  return bytes;
}

std::unique_ptr<Map> make(maps::Spec spec) {
  auto map = Map::create(std::move(spec));
  EXPECT_TRUE(map);
  return map ? std::move(*map) : nullptr;
}

TEST(Maps, TheLeastRecentlyUsedEntryGoes) {
  auto map = make({.type = BPF_MAP_TYPE_LRU_HASH, .key_size = 4, .value_size = 4, .max_entries = 3});
  for (uint32_t n : {1u, 2u, 3u}) EXPECT_EQ(map->update(number(n).data(), number(n).data(), 0), 0);
  EXPECT_NE(map->lookup(number(1).data()), nullptr);
  EXPECT_NE(map->lookup(number(2).data(), false), nullptr) << "from outside: no use";
  EXPECT_EQ(map->update(number(4).data(), number(4).data(), 0), 0);
  EXPECT_EQ(map->lookup(number(2).data()), nullptr);
  EXPECT_NE(map->lookup(number(1).data()), nullptr);
}

TEST(Maps, ValuesStayWhereTheyAre) {
  auto map = make({.type = BPF_MAP_TYPE_HASH, .key_size = 4, .value_size = 8, .max_entries = 2000});
  std::vector<uint8_t> value(8, 7);
  ASSERT_EQ(map->update(number(0).data(), value.data(), 0), 0);
  uint8_t* first = map->lookup(number(0).data())->bytes.get();
  for (uint32_t n = 1; n < 2000; ++n) ASSERT_EQ(map->update(number(n).data(), value.data(), 0), 0);
  EXPECT_EQ(map->lookup(number(0).data())->bytes.get(), first);
  int dropped = 0;
  map->dropped = [&](maps::Value& gone) { dropped += gone.bytes.get() == first; };
  EXPECT_EQ(map->erase(number(0).data()), 0);
  EXPECT_EQ(dropped, 0);
  EXPECT_EQ(*first, 7) << "a program may still read it";
  map->drop_deleted();
  EXPECT_EQ(dropped, 1);
}

TEST(Maps, GiantsCostNothingUntilTheyAreUsed) {
  auto map = make({.type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 1 << 30, .max_entries = ~0u});
  EXPECT_EQ(map->lookup(number(0).data()), nullptr) << "more memory than a map may have";
  auto small = make({.type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = ~0u});
  EXPECT_NE(small->lookup(number(~0u - 1).data()), nullptr);
  EXPECT_EQ(small->lookup(number(~0u).data()), nullptr);
  auto refused = Map::create({.name = "m", .type = BPF_MAP_TYPE_RINGBUF, .max_entries = 5000});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "map-refused");
  EXPECT_NE(refused.error().message.find("`m`"), std::string::npos) << refused.error().message;
}

TEST(Maps, RingBuffersFillAndEmpty) {
  auto map = make({.type = BPF_MAP_TYPE_RINGBUF, .max_entries = 4096});
  maps::RingBuffer& ring = *maps::ring_buffer(map.get());
  maps::Value* first = ring.reserve(100);
  ASSERT_NE(first, nullptr);
  first->address = 0x100, first->bytes[0] = 42;
  EXPECT_EQ(ring.query(BPF_RB_AVAIL_DATA), 112u) << "with its head, rounded up";
  EXPECT_EQ(ring.output(number(5).data(), 4, 0), 0);
  EXPECT_EQ(ring.output(number(5).data(), 4, 8), -EINVAL);
  EXPECT_EQ(ring.reserve(4096), nullptr);
  std::vector<uint8_t> record;
  EXPECT_FALSE(ring.take(record)) << "the first one is still written";
  EXPECT_FALSE(ring.submit(0x200));
  EXPECT_TRUE(ring.submit(0x100));
  EXPECT_FALSE(ring.discard(0x100)) << "twice";
  ASSERT_TRUE(ring.take(record));
  EXPECT_EQ(record.size(), 100u);
  EXPECT_EQ(record[0], 42);
  ASSERT_TRUE(ring.take(record));
  EXPECT_EQ(record, number(5));
  EXPECT_FALSE(ring.take(record));
  EXPECT_EQ(ring.query(BPF_RB_CONS_POS), ring.query(BPF_RB_PROD_POS));
  // Nobody reads: it fills to its size less one byte.
  int records = 0;
  while (ring.output(number(1).data(), 4, 0) == 0) ++records;
  EXPECT_EQ(records, 4096 / 16 - 1);
}

TEST(Maps, SlotsAreEmptyAtFirst) {
  auto map = make({.type = BPF_MAP_TYPE_PROG_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 3});
  EXPECT_EQ(map->lookup(number(1).data()), nullptr);
  EXPECT_EQ(map->erase(number(1).data()), -ENOENT);
  EXPECT_EQ(map->update(number(3).data(), number(9).data(), 0), -E2BIG);
  EXPECT_EQ(map->update(number(1).data(), number(9).data(), 1), -EINVAL);
  EXPECT_EQ(map->update(number(1).data(), number(9).data(), 0), 0);
  EXPECT_NE(map->lookup(number(1).data()), nullptr);
  EXPECT_EQ(map->erase(number(1).data()), 0);
  auto outer = make({.type = BPF_MAP_TYPE_ARRAY_OF_MAPS, .key_size = 4, .value_size = 4, .max_entries = 2});
  EXPECT_EQ(outer->spec().value_size, 8u) << "an address";
  auto storage = make({.type = BPF_MAP_TYPE_TASK_STORAGE, .key_size = 4, .value_size = 4});
  EXPECT_EQ(storage->spec().key_size, 8u) << "by the object's address";
}

TEST(Maps, TypesHaveNames) {
  EXPECT_EQ(maps::type_name(BPF_MAP_TYPE_LPM_TRIE), "lpm_trie");
  EXPECT_EQ(maps::type_name(99), "type 99");
  for (uint32_t type = 1; type < 35; ++type) EXPECT_EQ(maps::type_of(maps::type_name(type)), type);
}

}  // namespace
}  // namespace epass
