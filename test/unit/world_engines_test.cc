// Interpreter, compiled code and this machine's kernel give the same on small programs that use maps and
// helpers: results mixed from every answer, and packets.

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <algorithm>

#include "base/format.h"
#include "bpf/assemble.h"
#include "kernel/test_run.h"
#include "kernel/verify.h"
#include "object/assembled.h"
#include "vm/jit.h"
#include "world/world.h"

namespace epass {
namespace {

struct MapLine {
  const char* name;
  uint32_t type, key_size, value_size, max_entries, flags;
};

// An object with one program, `f`, and maps as older loaders define them.
std::vector<uint8_t> object_bytes(const std::string& section, const std::vector<MapLine>& maps,
                                  const std::string& body) {
  std::string text = format(".section \"{}\",\"ax\",@progbits\n.globl f\n.type f,@function\nf:\n", section);
  text += body + "\n.size f, .-f\n";
  if (!maps.empty()) text += ".section maps,\"aw\",@progbits\n";
  for (const MapLine& m : maps) {
    text += format(".globl {0}\n.type {0},@object\n{0}:\n", m.name);
    for (uint32_t n : {m.type, m.key_size, m.value_size, m.max_entries, m.flags})
      text += format(".long {}\n", n);
    text += format(".size {}, 20\n", m.name);
  }
  text +=
      ".section license,\"aw\",@progbits\n.globl _license\n.type _license,@object\n_license:\n.asciz "
      "\"GPL\"\n"
      ".size _license, 4\n";
  auto assembly = bpf::assemble(text, bpf::Dialect::kLlvm);
  EXPECT_TRUE(assembly) << assembly.error().message << " in line " << assembly.error().where.line;
  if (!assembly) return {};
  auto bytes = object::object_of(*assembly);
  EXPECT_TRUE(bytes) << bytes.error().message;
  return bytes ? *bytes : std::vector<uint8_t>{};
}

struct Answer {
  std::string error = {};
  uint32_t result = 0;
  std::vector<uint8_t> packet = {};
};

Answer run_here(const object::Object& object, const std::vector<uint8_t>& packet, bool compiled) {
  const bpf::Program& program = object.program();
  const bpf::Function& fn = program.functions[bpf::FunctionId{0}];
  world::Setup setup = world::setup_of(object);
  setup.context = world::context_of(fn.type);
  setup.ethernet = world::sees_ethernet(fn.type);
  setup.packet = packet;
  const vm::Executable executable(program);
  auto world = world::World::create(executable, setup);
  if (!world) return {.error = world.error().message};
  vm::Machine machine(executable, {.budget = 1 << 20, .context = setup.context, .track = !compiled},
                      world->get());
  const auto arguments = (*world)->begin(machine);
#if __has_include("vm/jit_compiler.h")
  std::unique_ptr<vm::Jit> jit;
  if (compiled) {
    auto made = vm::Jit::compile(machine);
    if (!made) return {.error = made.error().message};
    jit = std::move(*made);
    if (auto used = machine.use(jit.get()); !used) return {.error = used.error().message};
  }
#endif
  const vm::Run run = machine.run(0, arguments);
  return {run.read_undefined ? "undefined" : run.fault.message, static_cast<uint32_t>(run.r0),
          (*world)->packet()};
}

Answer run_in_kernel(const std::vector<uint8_t>& bytes, const std::vector<uint8_t>& packet) {
  Answer answer{.error = "not loaded"};
  kernel::VerifyOptions options;
  options.loaded = [&](const kernel::Verdict& verdict, int program, const std::vector<kernel::LoadedMap>&) {
    const kernel::TestRun run = kernel::test_run(program, {.packet = packet});
    answer = {run.error ? kernel::why_not(run, verdict.type) : "", run.result, run.packet};
  };
  auto verdicts = kernel::verify_object(bytes, "test.o", options);
  if (verdicts && !verdicts->empty() && !verdicts->front().accepted.value_or(false))
    answer.error = verdicts->front().reason + "\n" + verdicts->front().log;
  return answer;
}

std::vector<uint8_t> packet_of(size_t size) {
  std::vector<uint8_t> packet(size);
  for (size_t n = 0; n < size; ++n) packet[n] = static_cast<uint8_t>(n * 7 + 3);
  packet[12] = 8, packet[13] = 0;
  return packet;
}

// All engines; the kernel's answer is what counts where there is one.
void expect_same(const char* what, const std::string& section, const std::vector<MapLine>& maps,
                 const std::string& body, bool with_kernel = true) {
  SCOPED_TRACE(what);
  const std::vector<uint8_t> bytes = object_bytes(section, maps, body);
  auto object = object::Object::parse(bytes, "test.o");
  ASSERT_TRUE(object) << object.error().message;
  const std::vector<uint8_t> packet = packet_of(100);
  const Answer plain = run_here(*object, packet, false);
  ASSERT_EQ(plain.error, "");
#if defined(__x86_64__) && __has_include("vm/jit_compiler.h")
  const Answer compiled = run_here(*object, packet, true);
  EXPECT_EQ(compiled.error, "");
  EXPECT_EQ(format("{:#x}", compiled.result), format("{:#x}", plain.result));
  EXPECT_EQ(compiled.packet, plain.packet);
#endif
  if (!with_kernel || !kernel::why_no_bpf().empty()) return;
  const Answer theirs = run_in_kernel(bytes, packet);
  ASSERT_EQ(theirs.error, "");
  EXPECT_EQ(format("{:#x}", plain.result), format("{:#x}", theirs.result));
  if (section == "xdp" || section == "tc") { EXPECT_EQ(plain.packet, theirs.packet); }
}

// r6 collects what everything gave.
const std::string kMix = "r6 *= 31\nr6 += r0\n";
const std::string kEnd = "r0 = r6\nr0 <<= 32\nr0 >>= 32\nexit\n";
const std::string kBegin = "r9 = r1\nr6 = 0\n";

std::string key32(uint64_t key) { return format("*(u64 *)(r10 - 8) = {}\n", key); }
std::string update(const char* map, uint64_t key, uint64_t value, uint64_t flags) {
  return key32(key) +
         format(
             "*(u64 *)(r10 - 16) = {}\nr1 = {} ll\nr2 = r10\nr2 += -8\nr3 = r10\nr3 += -16\n"
             "r4 = {}\ncall 2\n",
             value, map, flags) +
         kMix;
}
int labels = 0;
std::string lookup(const char* map, uint64_t key) {
  const int n = ++labels;
  return key32(key) +
         format(
             "r1 = {0} ll\nr2 = r10\nr2 += -8\ncall 1\nif r0 == 0 goto none{1}\n"
             "r0 = *(u32 *)(r0 + 0)\nr0 += 1\nnone{1}:\n",
             map, n) +
         kMix;
}
std::string erase(const char* map, uint64_t key) {
  return key32(key) + format("r1 = {} ll\nr2 = r10\nr2 += -8\ncall 3\n", map) + kMix;
}

class WorldEngines : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = kernel::why_no_bpf(); !why.empty())
      std::fprintf(stderr, "without the kernel's answers: %s\n", why.c_str());
  }
};

TEST_F(WorldEngines, Tables) {
  const MapLine hash{"m", BPF_MAP_TYPE_HASH, 4, 8, 3, 0}, array{"m", BPF_MAP_TYPE_ARRAY, 4, 8, 3, 0},
      cpu_hash{"m", BPF_MAP_TYPE_PERCPU_HASH, 4, 8, 3, 0},
      cpu_array{"m", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 3, 0}, lru{"m", BPF_MAP_TYPE_LRU_HASH, 4, 8, 100, 0};
  for (const MapLine& map : {hash, array, cpu_hash, cpu_array, lru}) {
    std::string body = kBegin;
    for (uint64_t key = 0; key < 5; ++key) body += update("m", key, 100 + key, key % 3);
    for (uint64_t key = 0; key < 5; ++key) body += update("m", key, 200 + key, 0);
    for (uint64_t flags : {4, 5, 8}) body += update("m", 1, 1, flags);
    for (uint64_t key = 0; key < 5; ++key) body += lookup("m", key);
    for (uint64_t key = 1; key < 5; key += 2) body += erase("m", key) + erase("m", key) + lookup("m", key);
    expect_same(format("map type {}", map.type).c_str(), "tc", {map}, body + kEnd);
  }
}

TEST_F(WorldEngines, LongestPrefix) {
  std::string body = kBegin;
  auto address = [](uint32_t length, uint32_t bytes) { return length | uint64_t{bytes} << 32; };
  auto key = [](uint64_t k) {
    return format("r1 = {} ll\n*(u64 *)(r10 - 8) = r1\n", static_cast<int64_t>(k));
  };
  auto call = [&](uint64_t k, const std::string& rest) {
    return key(k) + "r1 = m ll\nr2 = r10\nr2 += -8\n" + rest;
  };
  for (uint32_t length : {0u, 8u, 16u, 24u, 32u, 33u})
    body += call(address(length, 0x0301a8c0),
                 format("*(u32 *)(r10 - 16) = {}\nr3 = r10\nr3 += -16\nr4 = 0\ncall 2\n", length + 1)) +
            kMix;
  for (uint32_t ip : {0x0301a8c0u, 0x0401a8c0u, 0x0302a8c0u, 0x03010000u, 0x000000c0u}) {
    const int n = ++labels;
    body += call(address(32, ip),
                 format("call 1\nif r0 == 0 goto none{0}\nr0 = *(u32 *)(r0 + 0)\nnone{0}:\n", n)) +
            kMix;
  }
  body += call(address(16, 0x0301a8c0), "call 3\n") + kMix + call(address(16, 0x0301a8c0), "call 3\n") + kMix;
  expect_same("trie", "tc", {{"m", BPF_MAP_TYPE_LPM_TRIE, 8, 4, 10, 1}}, body + kEnd);
}

TEST_F(WorldEngines, Queues) {
  for (uint32_t type : {BPF_MAP_TYPE_QUEUE, BPF_MAP_TYPE_STACK}) {
    std::string body = kBegin + "*(u64 *)(r10 - 8) = 0\n";
    for (int n = 0; n < 5; ++n)
      body += format("*(u64 *)(r10 - 8) = {}\nr1 = m ll\nr2 = r10\nr2 += -8\nr3 = {}\ncall 87\n", 10 + n,
                     n == 4 ? 2 : 0) +
              kMix;
    for (int helper : {89, 88, 88, 88, 88})
      body += format("r1 = m ll\nr2 = r10\nr2 += -8\ncall {}\n", helper) + kMix + "r0 = *(u64 *)(r10 - 8)\n" +
              kMix;
    expect_same("queue", "tc", {{"m", type, 0, 8, 3, 0}}, body + kEnd);
  }
}

TEST_F(WorldEngines, RingBuffers) {
  const int n = ++labels;
  std::string body = kBegin + format(
                                  "r1 = m ll\nr2 = 100\nr3 = 0\ncall 131\nif r0 == 0 goto no{0}\n"
                                  "*(u64 *)(r0 + 0) = 7\nr1 = r0\nr2 = 0\ncall 132\nno{0}:\n",
                                  n);
  for (int what = 0; what < 5; ++what) body += format("r1 = m ll\nr2 = {}\ncall 134\n", what) + kMix;
  body += "*(u64 *)(r10 - 8) = 9\n";
  for (int flags : {0, 1, 2, 4})
    body += format("r1 = m ll\nr2 = r10\nr2 += -8\nr3 = 8\nr4 = {}\ncall 130\n", flags) + kMix;
  body += format(
      "r1 = m ll\nr2 = 4000\nr3 = 0\ncall 131\nif r0 == 0 goto none{0}\nr1 = r0\nr2 = 0\ncall 133\n"
      "r6 += 1\nnone{0}:\n",
      n);
  for (int what = 0; what < 2; ++what) body += format("r1 = m ll\nr2 = {}\ncall 134\n", what) + kMix;
  expect_same("ringbuf", "tc", {{"m", BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0}}, body + kEnd);
}

TEST_F(WorldEngines, SocketBuffers) {
  std::string body = kBegin;
  for (int offset : {0, 12, 90, 96, 97})
    body += format("r1 = r9\nr2 = {}\nr3 = r10\nr3 += -8\nr4 = 4\ncall 26\n", offset) + kMix +
            "r0 = *(u32 *)(r10 - 8)\n" + kMix;
  for (int offset : {20, 97})
    body +=
        format(
            "*(u32 *)(r10 - 8) = 0x1234567\nr1 = r9\nr2 = {}\nr3 = r10\nr3 += -8\nr4 = 4\nr5 = 0\ncall 9\n",
            offset) +
        kMix;
  for (int flags : {0, 2, 4, 3, 18, 36, 4 + 32 + 64})
    for (int call : {10, 11})
      body += format("r1 = r9\nr2 = 24\nr3 = {}\nr4 = 0x4321\nr5 = {}\ncall {}\n", flags & 15 ? 0x1122 : 0,
                     flags, call) +
              kMix;
  body += "r1 = r9\nr2 = 25\nr3 = 0\nr4 = 1\nr5 = 0\ncall 10\n" + kMix;
  body += "r1 = r9\nr2 = 101\ncall 39\n" + kMix + "r1 = r9\nr2 = 50\ncall 39\n" + kMix;
  body +=
      "r0 = *(u32 *)(r9 + 0)\n" + kMix + "r0 = *(u32 *)(r9 + 16)\n" + kMix + "r0 = *(u32 *)(r9 + 4)\n" + kMix;
  expect_same("skb", "tc", {}, body + kEnd);
  body = kBegin;
  for (int size : {60, 120, 5}) body += format("r1 = r9\nr2 = {}\nr3 = 0\ncall 38\n", size) + kMix;
  body += "r0 = *(u32 *)(r9 + 0)\n" + kMix;
  expect_same("tails of socket buffers", "tc", {}, body + kEnd);
  expect_same("redirect", "tc", {}, "r1 = 1\nr2 = 2\ncall 23\nexit\n");
}

TEST_F(WorldEngines, RoomForHeaders) {
  constexpr int kNet = 0, kMac = 1;
  for (auto [change, mode, flags] : {std::tuple(20, kNet, 0),
                                     {20, kMac, 0},
                                     {28, kMac, 2 | 16},
                                     {40, kMac, 4},
                                     {20, kMac, 6},
                                     {-20, kNet, 0},
                                     {-20, kMac, 0x80},
                                     {-20, kMac, 0x180},
                                     {20, kMac, 0x80},
                                     {-70, kNet, 0},
                                     {-90, kNet, 0},
                                     {5000, kNet, 0},
                                     {4, 2, 0},
                                     {4, kNet, 0x200},
                                     {-20, kNet, 2},
                                     {28, kMac, 2 | 8 | 16},
                                     {24, kNet, 0x20 | 1}}) {
    const std::string body =
        kBegin + format("r1 = r9\nr2 = {}\nr3 = {}\nr4 = {}\ncall 50\n", change, mode, flags) + kMix +
        "r0 = *(u32 *)(r9 + 0)\n" + kMix + "r0 = *(u32 *)(r9 + 16)\n" + kMix + kEnd;
    expect_same(format("adjust_room {} {} {}", change, mode, flags).c_str(), "tc", {}, body);
  }
}

TEST_F(WorldEngines, Checksums) {
  std::string body = kBegin + "r1 = 0x123456789abcdef0 ll\n*(u64 *)(r10 - 8) = r1\n*(u64 *)(r10 - 16) = 77\n";
  for (auto [from, to] : {std::pair(8, 8), {8, 0}, {0, 8}, {4, 8}, {0, 0}, {8, 4}})
    body += format("r1 = r10\nr1 += -8\nr2 = {}\nr3 = r10\nr3 += -16\nr4 = {}\nr5 = 0x1234\ncall 28\n", from,
                   to) +
            kMix;
  expect_same("csum_diff", "tc", {}, body + kEnd);
}

TEST_F(WorldEngines, Frames) {
  std::string body = kBegin;
  for (int delta : {-14, 20, -300, 6, 1000}) body += format("r1 = r9\nr2 = {}\ncall 44\n", delta) + kMix;
  for (int delta : {-10, 50, -500, 5000}) body += format("r1 = r9\nr2 = {}\ncall 65\n", delta) + kMix;
  const int n = ++labels;
  body += format(
              "r1 = *(u32 *)(r9 + 0)\nr2 = *(u32 *)(r9 + 4)\nr0 = r2\nr0 -= r1\nr3 = r1\nr3 += 20\n"
              "if r3 > r2 goto out{0}\n*(u32 *)(r1 + 4) = 0x55667788\nout{0}:\n",
              n) +
          kMix;
  body += "r1 = r9\ncall 188\n" + kMix;
  body +=
      "r1 = r9\nr2 = 10\nr3 = r10\nr3 += -8\nr4 = 8\ncall 189\n" + kMix + "r0 = *(u64 *)(r10 - 8)\n" + kMix;
  body += "r1 = r9\nr2 = 30\nr3 = r10\nr3 += -8\nr4 = 8\ncall 190\n" + kMix;
  body += "*(u64 *)(r10 - 8) = 0\nr1 = r9\nr2 = 4000\nr3 = r10\nr3 += -8\nr4 = 8\ncall 189\n" + kMix;
  expect_same("xdp", "xdp", {}, body + kEnd);
}

TEST_F(WorldEngines, Numbers) {
  std::string body = kBegin;
  // "  -0x1f", "12z", "0779", "-5"
  for (const char* word :
       {"-0x1f\0\0", " 12zzzz", "07790\0\0", "0x\0\0\0\0\0", "-\0\0\0\0\0\0", "99999\0\0"}) {
    uint64_t bytes = 0;
    std::copy_n(word, 7, reinterpret_cast<char*>(&bytes));
    for (int base : {0, 8, 10, 16, 7})
      for (int call : {105, 106})
        body += format(
                    "r1 = {} ll\n*(u64 *)(r10 - 8) = r1\n*(u64 *)(r10 - 16) = 3\nr1 = r10\nr1 += -8\nr2 = 7\n"
                    "r3 = {}\nr4 = r10\nr4 += -16\ncall {}\n",
                    static_cast<int64_t>(bytes), base, call) +
                kMix + "r0 = *(u64 *)(r10 - 16)\n" + kMix;
  }
  // Numbers are for cgroup programs; the kernel test-runs none of those that may call this.
  expect_same("strtol", "cgroup/sysctl", {}, body + kEnd, false);
}

}  // namespace
}  // namespace epass
