// The world without a kernel beside it: timers, dynamic pointers, storages, iterators, and programs that mean
// harm.

#include "world/world.h"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <cerrno>
#include <cstring>
#include <random>

#include "base/format.h"
#include "bpf/assemble.h"
#include "object/dump.h"
#include "vm/jit.h"

namespace epass {
namespace {

using world::World;

bpf::Program program_of(const std::string& text) {
  auto assembly = bpf::assemble(text, bpf::Dialect::kLlvm);
  EXPECT_TRUE(assembly) << assembly.error().message << ", line " << assembly.error().where.line;
  auto code = assembly ? bpf::flat_code(*assembly) : fail("no code");
  EXPECT_TRUE(code) << code.error().message;
  auto program = object::split_flat(code ? std::move(*code) : std::vector<bpf::Insn>{}, "test");
  EXPECT_TRUE(program) << program.error().message;
  return program ? std::move(*program) : bpf::Program{};
}

// A program, its world and its machine. Maps are named `map#FD`.
struct Stage {
  bpf::Program program;
  vm::Executable executable;
  std::unique_ptr<World> world;
  std::unique_ptr<vm::Machine> machine;

  Stage(const std::string& text, world::Setup setup, vm::Settings settings = {})
      : program(program_of(text)), executable(program) {
    settings.context = setup.context;
    auto made = World::create(executable, std::move(setup));
    EXPECT_TRUE(made) << made.error().message;
    if (made) world = std::move(*made);
    machine = std::make_unique<vm::Machine>(executable, settings, world.get());
  }
  vm::Run run() { return machine->run(0, world->begin(*machine)); }
  uint64_t result() {
    const vm::Run run = this->run();
    EXPECT_TRUE(run.ok()) << run.fault.message << " at " << run.fault.insn;
    return run.r0;
  }
};

world::Setup with_map(uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t max_entries) {
  world::Setup setup;
  setup.maps.push_back({.spec = {"map#3", type, key_size, value_size, max_entries, 0}});
  return setup;
}

TEST(World, TimersFireByHand) {
  const std::string text =
      "*(u32 *)(r10 - 4) = 1\nr1 = map_fd#3 ll\nr2 = r10\nr2 += -4\ncall 1\nif r0 == 0 goto out\nr6 = r0\n"
      "r1 = r6\nr2 = map_fd#3 ll\nr3 = 1\ncall 169\nif r0 != 0 goto out\n"    // init
      "r1 = r6\nr2 = map_fd#3 ll\nr3 = 1\ncall 169\nif r0 != -16 goto out\n"  // EBUSY
      "r1 = r6\nr2 = 1000\nr3 = 0\ncall 171\nif r0 != -22 goto out\n"         // no callback yet
      "r1 = r6\nr2 = 27 ll\ncall 170\nr1 = r6\nr2 = 1000\nr3 = 0\ncall 171\nout:\nexit\n";
  world::Setup setup = with_map(BPF_MAP_TYPE_ARRAY, 4, 32, 2);
  // The address of a function is a relocation; here the number is put in by hand.
  std::string code = text;
  code.replace(code.find("r2 = 27 ll"), 10, "r2 = callback ll");
  code += "callback:\nr0 = *(u32 *)(r2 + 0)\n*(u64 *)(r3 + 16) = 77\nexit\n";
  Stage stage(code, setup);
  EXPECT_EQ(stage.result(), 0u);
  EXPECT_EQ(stage.world->armed_timers(), 1u);
  const auto fired = stage.world->fire_timer(*stage.machine);
  ASSERT_TRUE(fired);
  EXPECT_TRUE(fired->ok()) << fired->fault.message;
  EXPECT_EQ(fired->r0, 1u) << "the key";
  const uint8_t key[4] = {1, 0, 0, 0};
  EXPECT_EQ(stage.world->map("map#3")->lookup(key)->bytes[16], 77);
  EXPECT_FALSE(stage.world->fire_timer(*stage.machine));
}

TEST(World, DynamicPointersKeepTheirBounds) {
  const std::string begin =
      "*(u64 *)(r10 - 8) = 0x11223344\nr1 = r10\nr1 += -8\nr2 = 8\nr3 = 0\nr4 = r10\nr4 += -32\ncall 197\n";
  auto read = [&](int size, int offset) {
    return begin +
           format(
               "*(u64 *)(r10 - 40) = 0\nr1 = r10\nr1 += -40\nr2 = {}\nr3 = r10\nr3 += -32\nr4 = {}\nr5 = 0\n"
               "call 201\nr6 = *(u64 *)(r10 - 40)\nif r0 != 0 goto end\nr0 = r6\nend:\nexit\n",
               size, offset);
  };
  EXPECT_EQ(Stage(read(4, 0), {}).result(), 0x11223344u);
  EXPECT_EQ(Stage(read(1, 3), {}).result(), 0x11u);
  EXPECT_EQ(Stage(read(8, 1), {}).result(), uint64_t(-E2BIG));
  EXPECT_EQ(Stage(begin + "r1 = r10\nr1 += -32\nr2 = 4\nr3 = 4\ncall 203\nr0 = *(u32 *)(r0 + 0)\nexit\n", {})
                .result(),
            0u);
  EXPECT_EQ(Stage(begin + "r1 = r10\nr1 += -32\nr2 = 4\nr3 = 5\ncall 203\nexit\n", {}).result(), 0u)
      << "null";
}

TEST(World, StoragesBelongToObjects) {
  auto get = [](int object, int flags) {
    return format("r1 = map_fd#3 ll\nr2 = {}\nr3 = 0\nr4 = {}\ncall 156\n", object, flags);
  };
  const std::string none = get(5, 0) + "exit\n";
  const std::string made =
      get(5, 1) + "*(u64 *)(r0 + 0) = 42\n" + get(6, 1) + get(5, 0) + "r0 = *(u64 *)(r0 + 0)\nexit\n";
  const std::string gone = get(5, 1) +
                           "r1 = map_fd#3 ll\nr2 = 5\ncall 157\nr6 = r0\nr1 = map_fd#3 ll\nr2 = 5\n"
                           "call 157\nr0 += r6\nexit\n";
  const world::Setup setup = with_map(BPF_MAP_TYPE_TASK_STORAGE, 4, 8, 0);
  EXPECT_EQ(Stage(none, setup).result(), 0u);
  EXPECT_EQ(Stage(made, setup).result(), 42u);
  EXPECT_EQ(Stage(gone, setup).result(), uint64_t(-ENOENT));
}

TEST(World, TextsAreFormatted) {
  auto printed = [](const std::string& format_text, const std::string& arguments) {
    std::string code;
    for (size_t at = 0; at <= format_text.size(); ++at)
      code += format("*(u8 *)(r10 - {}) = {}\n", 64 - at,
                     at < format_text.size() ? static_cast<int>(format_text[at]) : 0);
    code += format("r1 = r10\nr1 += -64\nr2 = {}\n{}call 6\nexit\n", format_text.size() + 1, arguments);
    Stage stage(code, {});
    const uint64_t length = stage.result();
    if (stage.world->events().empty()) return format("error {}", static_cast<int64_t>(length));
    EXPECT_EQ(length, stage.world->events()[0].text.size());
    return stage.world->events()[0].text;
  };
  EXPECT_EQ(printed("%d %u", "r3 = -1\nr4 = -1\n"), "-1 4294967295");
  EXPECT_EQ(printed("%lld %llx", "r3 = -1\nr4 = 255\n"), "-1 ff");
  EXPECT_EQ(printed("%5d|%-4x|%03u", "r3 = 7\nr4 = 10\nr5 = 5\n"), "    7|a   |005");
  EXPECT_EQ(printed("100%%", ""), "100%");
  EXPECT_EQ(printed("%d %d %d %d", "r3 = 1\nr4 = 1\nr5 = 1\n"), "error -22");
}

TEST(World, TheSeedDecidesTimeAndChance) {
  const std::string text = "call 5\nr6 = r0\ncall 7\nr6 ^= r0\ncall 14\nr6 ^= r0\nr0 = r6\nexit\n";
  world::Setup setup;
  setup.seed = 3;
  const uint64_t first = Stage(text, setup).result();
  Stage again(text, setup);
  EXPECT_EQ(again.result(), first);
  EXPECT_EQ(again.result(), first) << "the second run of one world";
  setup.seed = 4;
  EXPECT_NE(Stage(text, setup).result(), first);
}

TEST(World, LocksAreNotTakenTwice) {
  const std::string text =
      "*(u32 *)(r10 - 4) = 0\nr1 = r10\nr1 += -4\ncall 93\nr1 = r10\nr1 += -4\ncall {}\nr1 = r10\nr1 += "
      "-4\ncall 93\n"
      "r0 = 0\nexit\n";
  std::string well = text, twice = text;
  well.replace(well.find("{}"), 2, "94"), twice.replace(twice.find("{}"), 2, "93");
  EXPECT_TRUE(Stage(well, {}).run().ok());
  EXPECT_EQ(Stage(twice, {}).run().fault.message, "the lock is held already");
}

// Every helper with arguments that make no sense: the machine goes on or stops with a message.
TEST(World, HostileArgumentsAreNoHarm) {
  std::mt19937_64 random(7);
  constexpr uint32_t kTypes[] = {BPF_MAP_TYPE_HASH,           BPF_MAP_TYPE_ARRAY,
                                 BPF_MAP_TYPE_PROG_ARRAY,     BPF_MAP_TYPE_PERCPU_HASH,
                                 BPF_MAP_TYPE_LRU_HASH,       BPF_MAP_TYPE_LPM_TRIE,
                                 BPF_MAP_TYPE_HASH_OF_MAPS,   BPF_MAP_TYPE_DEVMAP_HASH,
                                 BPF_MAP_TYPE_QUEUE,          BPF_MAP_TYPE_BLOOM_FILTER,
                                 BPF_MAP_TYPE_RINGBUF,        BPF_MAP_TYPE_TASK_STORAGE,
                                 BPF_MAP_TYPE_ARRAY_OF_MAPS,  BPF_MAP_TYPE_STACK_TRACE,
                                 BPF_MAP_TYPE_CGROUP_STORAGE, BPF_MAP_TYPE_PERF_EVENT_ARRAY};
  world::Setup setup;
  for (uint32_t n = 0; n < std::size(kTypes); ++n) {
    const uint32_t type = kTypes[n];
    const bool keyless =
        type == BPF_MAP_TYPE_QUEUE || type == BPF_MAP_TYPE_BLOOM_FILTER || type == BPF_MAP_TYPE_RINGBUF;
    const bool sized = type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_DEVMAP_HASH;
    setup.maps.push_back(
        {.spec = {format("map#{}", n), type,
                  keyless                         ? 0u
                  : sized                         ? 64u
                  : type == BPF_MAP_TYPE_LPM_TRIE ? 8u
                                                  : 4u,
                  type == BPF_MAP_TYPE_RINGBUF ? 0u : 4u, type == BPF_MAP_TYPE_RINGBUF ? 1u << 30 : ~0u >> 1,
                  type == BPF_MAP_TYPE_LPM_TRIE ? 1u : 0u}});
  }
  setup.maps.push_back({.spec = {"map#99", BPF_MAP_TYPE_ARRAY, 4, 0x7fffffff, 5, 0}});
  int ended = 0, stopped = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string text = "r6 = r1\n";
    auto value = [&](int reg) -> std::string {
      switch (random() % 10) {
        case 0: return format("r{} = 0\n", reg);
        case 1: return format("r{} = {}\n", reg, int32_t(random() % 64));
        case 2: return format("r{} = {} ll\n", reg, int64_t(random()));
        case 3: return format("r{} = r10\nr{} += {}\n", reg, reg, -int32_t(random() % 600) + 20);
        case 4: return format("r{} = r6\n", reg);
        case 5: return format("r{} = -1\n", reg);
        case 6: return format("r{} = {} ll\n", reg, int64_t(vm::kPacketBase + random() % 70));
        case 7: return format("r{} = callback ll\n", reg);
        default:
          return format("r{} = map_fd#{} ll\n", reg, random() % 18 ? random() % std::size(kTypes) : 99);
      }
    };
    for (int calls = 0; calls < 4; ++calls) {
      for (int reg = 1; reg <= 5; ++reg) text += value(reg);
      text += format("call {}\n", random() % 215);
    }
    text += "r0 = 0\nexit\ncallback:\nr0 = 0\nexit\n";
    constexpr vm::Context kContexts[] = {vm::Context::kXdp, vm::Context::kSkb, vm::Context::kRaw};
    setup.context = kContexts[random() % 3];
    setup.memory.resize(random() % 3);
    setup.packet.resize(64);
    Stage stage(text, setup, {.budget = 2000});
    const vm::Run run = stage.run();
    ++(run.ok() ? ended : stopped);
  }
  EXPECT_GT(ended, 50);
  EXPECT_GT(stopped, 50);
}

}  // namespace
}  // namespace epass
