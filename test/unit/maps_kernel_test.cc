// The maps against this machine's kernel: random operations through bpf(2) and through ours must give the
// same results and the same errors.

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <set>

#include "base/format.h"
#include "kernel/fd.h"
#include "kernel/load.h"
#include "maps/map.h"

namespace epass {
namespace {

using Buffer = std::vector<uint8_t>;

int possible_cpus() {
  static const int n = [] {
    FILE* file = fopen("/sys/devices/system/cpu/possible", "r");
    int first = 0, last = 0, read = file ? fscanf(file, "%d-%d", &first, &last) : 0;
    if (file) fclose(file);
    return read == 2 ? last + 1 : 1;
  }();
  return n;
}

// What one operation gave, as text.
std::string answer(int error, const Buffer& bytes = {}) {
  std::string text = format("{}", error);
  if (error == 0)
    for (uint8_t byte : bytes) text += format(" {:02x}", byte);
  return text;
}

class Pair {
 public:
  explicit Pair(const maps::Spec& spec) : spec_(spec) {
    LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = spec.flags);
    fd_ = kernel::Fd(bpf_map_create(bpf_map_type(spec.type), "epass", spec.key_size, spec.value_size,
                                    spec.max_entries, &options));
    error_ = fd_ ? 0 : -errno;
    auto map = maps::Map::create(spec);
    if (map) map_ = std::move(*map);
  }
  bool usable() const { return fd_ && map_; }
  int error() const { return error_; }
  maps::Map& map() { return *map_; }

  // Both do it; the two answers.
  using Answers = std::pair<std::string, std::string>;
  Answers lookup(const Buffer& key) {
    Buffer bytes(padded() * (map_->per_cpu() ? size_t(possible_cpus()) : 1));
    const int error = bpf_map_lookup_elem(fd_.get(), key.data(), bytes.data()) ? -errno : 0;
    bytes.resize(spec_.value_size);
    if (!map_->has_entries()) {
      Buffer ours(spec_.value_size);
      const int mine = map_->peek(ours.data());
      return {answer(error, bytes), answer(mine, ours)};
    }
    const maps::Value* value = map_->lookup(key.data(), false);
    return {answer(error, bytes),
            value ? answer(0, {value->bytes.get(), value->bytes.get() + value->size}) : answer(-ENOENT)};
  }
  Answers update(const Buffer& key, const Buffer& value, uint64_t flags) {
    Buffer all;
    for (int n = 0; n < (map_->per_cpu() ? possible_cpus() : 1); ++n) {
      all.insert(all.end(), value.begin(), value.end());
      all.resize(padded() * (size_t(n) + 1));
    }
    const bool keyed = map_->has_entries();
    const int error =
        bpf_map_update_elem(fd_.get(), keyed ? key.data() : nullptr, all.data(), flags) ? -errno : 0;
    // bpf(2) refuses this flag before it looks at the map; a program's update comes to it last.
    if (keyed && flags & BPF_F_LOCK) return {answer(error), answer(-EINVAL)};
    return {answer(error),
            answer(keyed ? map_->update(key.data(), value.data(), flags) : map_->push(value.data(), flags))};
  }
  Answers erase(const Buffer& key) {
    const int error = bpf_map_delete_elem(fd_.get(), map_->has_entries() ? key.data() : nullptr) ? -errno : 0;
    return {answer(error), answer(map_->erase(key.data()))};
  }
  Answers pop() {
    Buffer bytes(spec_.value_size), ours(spec_.value_size);
    const int error = bpf_map_lookup_and_delete_elem(fd_.get(), nullptr, bytes.data()) ? -errno : 0;
    const int mine = map_->pop(ours.data());
    return {answer(error, bytes), answer(mine, ours)};
  }
  Answers next(const Buffer* key) {
    Buffer theirs(spec_.key_size), ours(spec_.key_size);
    const int error =
        bpf_map_get_next_key(fd_.get(), key ? key->data() : nullptr, theirs.data()) ? -errno : 0;
    const int mine = map_->next_key(key ? key->data() : nullptr, ours.data());
    return {answer(error, theirs), answer(mine, ours)};
  }
  // All keys by next_key, sorted.
  std::pair<std::set<Buffer>, std::set<Buffer>> keys() {
    std::pair<std::set<Buffer>, std::set<Buffer>> out;
    Buffer key(spec_.key_size), next(spec_.key_size);
    for (const uint8_t* at = nullptr; bpf_map_get_next_key(fd_.get(), at, next.data()) == 0; at = key.data())
      key = next, out.first.insert(key);
    for (const uint8_t* at = nullptr; map_->next_key(at, next.data()) == 0; at = key.data())
      key = next, out.second.insert(key);
    return out;
  }

 private:
  size_t padded() const { return map_->per_cpu() ? (spec_.value_size + 7u) / 8 * 8 : spec_.value_size; }

  maps::Spec spec_;
  kernel::Fd fd_;
  int error_ = 0;
  std::unique_ptr<maps::Map> map_;
};

class MapsKernel : public testing::Test {
 protected:
  void SetUp() override {
    kernel::raise_memlock();
    kernel::Fd fd(bpf_map_create(BPF_MAP_TYPE_ARRAY, "probe", 4, 4, 1, nullptr));
    if (!fd) GTEST_SKIP() << "bpf(2) makes no maps here: " << strerror(errno);
  }
};

struct Kind {
  const char* name;
  maps::Spec spec;
  uint32_t keys;  // that are tried
};

Buffer key_of(const Kind& kind, std::mt19937_64& random) {
  Buffer key(kind.spec.key_size);
  const uint32_t n = uint32_t(random() % std::max(kind.keys, 1u));
  if (kind.spec.type == BPF_MAP_TYPE_LPM_TRIE) {
    // Many prefixes of few addresses, so that they nest; now and then one that is too long.
    const uint32_t length = uint32_t(random() % ((kind.spec.key_size - 4) * 8 + 2));
    std::memcpy(key.data(), &length, 4);
    for (size_t k = 4; k < key.size(); ++k) key[k] = random() % 4 ? uint8_t(0xaa) : uint8_t(random());
    return key;
  }
  if (!key.empty()) std::memcpy(key.data(), &n, std::min<size_t>(4, key.size()));
  return key;
}

void run_random(const Kind& kind, uint64_t seed, int operations) {
  std::mt19937_64 random(seed);
  Pair pair(kind.spec);
  ASSERT_TRUE(pair.usable()) << kind.name << ": " << strerror(-pair.error());
  const bool trie = kind.spec.type == BPF_MAP_TYPE_LPM_TRIE, keyed = pair.map().has_entries();
  const bool array = kind.spec.type == BPF_MAP_TYPE_ARRAY || kind.spec.type == BPF_MAP_TYPE_PERCPU_ARRAY;
  for (int n = 0; n < operations; ++n) {
    const Buffer key = key_of(kind, random);
    Buffer value(kind.spec.value_size);
    for (uint8_t& byte : value) byte = uint8_t(random());
    constexpr uint64_t kFlags[] = {0, 0, 0, 0, 1, 2, 3, 4, 5, 8, uint64_t{1} << 32, 7};
    const uint64_t flags = kFlags[random() % std::size(kFlags)];
    Pair::Answers answers;
    std::string what;
    switch (random() % 6) {
      case 0:
      case 1:
      case 2:
        what = format("update, flags {:#x}", flags);
        answers = pair.update(key, value, flags);
        break;
      case 3: what = "lookup", answers = pair.lookup(key); break;
      case 4: what = keyed ? "delete" : "pop", answers = keyed ? pair.erase(key) : pair.pop(); break;
      default:
        // The order of hash tables is the kernel's own.
        what = "next key";
        if (trie || array) answers = pair.next(random() % 4 ? &key : nullptr);
    }
    ASSERT_EQ(answers.first, answers.second)
        << kind.name << ", seed " << seed << ", operation " << n << ": " << what;
  }
  if (keyed) {
    const auto [theirs, ours] = pair.keys();
    EXPECT_EQ(theirs, ours) << kind.name;
  }
}

TEST_F(MapsKernel, RandomOperationsGiveTheSame) {
  const Kind kinds[] = {
      {"array", {.type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 13, .max_entries = 7}, 9},
      {"per-CPU array",
       {.type = BPF_MAP_TYPE_PERCPU_ARRAY, .key_size = 4, .value_size = 12, .max_entries = 5},
       7},
      {"hash", {.type = BPF_MAP_TYPE_HASH, .key_size = 5, .value_size = 9, .max_entries = 8}, 12},
      {"hash without preallocation",
       {.type = BPF_MAP_TYPE_HASH, .key_size = 8, .value_size = 8, .max_entries = 8, .flags = 1},
       12},
      {"per-CPU hash",
       {.type = BPF_MAP_TYPE_PERCPU_HASH, .key_size = 4, .value_size = 20, .max_entries = 6},
       9},
      {"LRU hash with room",
       {.type = BPF_MAP_TYPE_LRU_HASH, .key_size = 4, .value_size = 8, .max_entries = 4096},
       40},
      {"trie",
       {.type = BPF_MAP_TYPE_LPM_TRIE, .key_size = 8, .value_size = 4, .max_entries = 40, .flags = 1},
       1},
      {"trie of two bytes",
       {.type = BPF_MAP_TYPE_LPM_TRIE, .key_size = 6, .value_size = 3, .max_entries = 12, .flags = 1},
       1},
      {"queue", {.type = BPF_MAP_TYPE_QUEUE, .value_size = 6, .max_entries = 5}, 1},
      {"stack", {.type = BPF_MAP_TYPE_STACK, .value_size = 6, .max_entries = 5}, 1},
  };
  for (const Kind& kind : kinds)
    for (uint64_t seed = 1; seed <= 20 && !HasFatalFailure(); ++seed) run_random(kind, seed, 500);
}

TEST_F(MapsKernel, LruKeepsWhatIsUsedAndNeverRefuses) {
  Pair pair({.type = BPF_MAP_TYPE_LRU_HASH, .key_size = 4, .value_size = 8, .max_entries = 16});
  ASSERT_TRUE(pair.usable());
  for (uint32_t n = 0; n < 1000; ++n) {
    Buffer key(4), value(8, uint8_t(n));
    std::memcpy(key.data(), &n, 4);
    const auto updated = pair.update(key, value, 0), found = pair.lookup(key);
    ASSERT_EQ(updated.first, updated.second) << n;
    ASSERT_EQ(found.first, found.second) << n;
  }
}

TEST_F(MapsKernel, BloomFiltersNeverForget) {
  Pair pair({.type = BPF_MAP_TYPE_BLOOM_FILTER, .value_size = 4, .max_entries = 100});
  ASSERT_TRUE(pair.usable());
  std::mt19937_64 random(5);
  int wrong = 0;
  for (uint32_t n = 0; n < 200; ++n) {
    Buffer value(4);
    const uint64_t word = random();
    std::memcpy(value.data(), &word, 4);
    for (uint64_t flags : {uint64_t{1}, uint64_t{0}}) {
      if (n >= 100) continue;
      const auto [theirs, ours] = pair.update({}, value, flags);
      ASSERT_EQ(theirs, ours) << flags;
    }
    const int found = pair.map().peek(value.data());
    if (n < 100)
      ASSERT_EQ(found, 0);
    else
      wrong += found == 0;
  }
  EXPECT_LT(wrong, 20) << "it says yes to nearly everything";
}

TEST_F(MapsKernel, TheSameSpecificationsAreRefused) {
  std::mt19937_64 random(9);
  constexpr uint32_t kTypes[] = {
      BPF_MAP_TYPE_ARRAY,       BPF_MAP_TYPE_PERCPU_ARRAY, BPF_MAP_TYPE_HASH,
      BPF_MAP_TYPE_PERCPU_HASH, BPF_MAP_TYPE_LRU_HASH,     BPF_MAP_TYPE_LPM_TRIE,
      BPF_MAP_TYPE_QUEUE,       BPF_MAP_TYPE_STACK,        BPF_MAP_TYPE_BLOOM_FILTER,
      BPF_MAP_TYPE_RINGBUF,     BPF_MAP_TYPE_PROG_ARRAY,   BPF_MAP_TYPE_PERF_EVENT_ARRAY};
  constexpr uint32_t kKeys[] = {0, 4, 4, 5, 8, 300, 5 << 20};
  constexpr uint32_t kValues[] = {0, 4, 4, 8, 100, 33 << 10, 5 << 20, 0x80000000};
  constexpr uint32_t kEntries[] = {0, 1, 3, 16, 4096, 6000};
  int refused = 0, made = 0;
  for (int n = 0; n < 3000; ++n) {
    maps::Spec spec{.type = kTypes[random() % std::size(kTypes)],
                    .key_size = kKeys[random() % std::size(kKeys)],
                    .value_size = kValues[random() % std::size(kValues)],
                    .max_entries = kEntries[random() % std::size(kEntries)],
                    .flags = uint32_t(random() % 3 == 0)};
    // Sizes at which memory decides are not asked for.
    if (uint64_t{spec.value_size} * spec.max_entries > 16 << 20 && spec.value_size <= 5 << 20) continue;
    if (uint64_t{spec.key_size} * spec.max_entries > 16 << 20) continue;
    Pair pair(spec);
    EXPECT_EQ(pair.error(), maps::refusal(spec))
        << maps::type_name(spec.type) << ' ' << spec.key_size << ' ' << spec.value_size << ' '
        << spec.max_entries << ' ' << spec.flags;
    ++(pair.error() ? refused : made);
  }
  EXPECT_GT(refused, 300);
  EXPECT_GT(made, 100);
}

}  // namespace
}  // namespace epass
