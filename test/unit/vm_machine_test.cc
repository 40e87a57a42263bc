// The machine as a library: both engines do the same, faults are values, nothing outside of the regions is
// touched.

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>

#include "assembled.h"
#include "bpf/assemble.h"
#include "object/dump.h"
#include "vm/jit.h"

namespace epass::vm {
namespace {

using SetUp = std::function<std::vector<uint64_t>(Machine&)>;

std::string text_of(const Run& run) {
  if (run.ok()) return std::to_string(run.r0) + " after " + std::to_string(run.executed);
  return run.fault.message + " in " + std::to_string(run.fault.function) + "+" +
         std::to_string(run.fault.insn) + " after " + std::to_string(run.executed);
}

// What happens on the interpreter; every other engine must do the same.
std::string result(std::string_view text, Settings settings = {}, const SetUp& set_up = {},
                   bool unchecked_too = false) {
  const bpf::Program program = assembled(text);
  const Executable executable(program);
  std::string first;
  for (const bool checked : {true, false}) {
    if (!checked && !unchecked_too) continue;
    for (const bool compiled : {false, true}) {
      settings.checked = checked;
      Machine machine(executable, settings);
      const std::vector<uint64_t> args = set_up ? set_up(machine) : std::vector<uint64_t>();
      std::unique_ptr<Jit> jit;
      if (compiled) {
#if !defined(__x86_64__)
        continue;
#endif
        auto code = Jit::compile(machine);
        EXPECT_TRUE(code.has_value()) << code.error().message;
        if (!code) continue;
        jit = std::move(*code);
        EXPECT_TRUE(machine.use(jit.get()).has_value());
      }
      const std::string got = text_of(machine.run(0, args));
      if (first.empty()) first = got;
      EXPECT_EQ(got, first) << (compiled ? "compiled" : "interpreted") << (checked ? "" : ", unchecked");
    }
  }
  return first;
}

TEST(VmMachine, HelpersByNumberSeeMemory) {
  auto set_up = [](Machine& m) -> std::vector<uint64_t> {
    m.set_helper(6, [](Machine& machine, uint64_t address, uint32_t size) -> uint64_t {
      const uint8_t* bytes = machine.at(address, size, Access::kRead);
      if (!bytes) return machine.fail("no such text", address);
      uint64_t sum = 0;
      for (uint32_t n = 0; n < size; ++n) sum += bytes[n];
      return sum;
    });
    return {m.memory().add("data", kContextBase, std::vector<uint8_t>{1, 2, 3, 4}), 4};
  };
  EXPECT_EQ(result("call 6\nexit", {}, set_up, true), "10 after 2");
  EXPECT_EQ(result("r2 = 5\ncall 6\nexit", {}, set_up), "no such text in 0+1 after 2");
  EXPECT_EQ(result("r1 = 3\ncall 7\nexit", {}, set_up, true), "there is no helper number 7 in 0+1 after 2");
}

TEST(VmMachine, HelpersEndProgramsAndCallBack) {
  auto set_up = [](Machine& m) -> std::vector<uint64_t> {
    m.set_helper(1, [](Machine& machine, uint64_t r0) { return machine.end(r0); });
    m.set_helper(2, [](Machine& machine, uint64_t function, uint32_t rounds) -> uint64_t {
      uint64_t sum = 0;
      for (uint32_t n = 0; n < rounds; ++n) {
        auto answer = machine.call(machine.function_at(function).value_or(99), {n, 100});
        if (!answer) return 0;
        sum += answer->r0;
      }
      return sum;
    });
    m.set_helper(3, [](Machine& machine, uint64_t context) { return machine.tail_call(1, context); });
    return {};
  };
  EXPECT_EQ(result("r1 = 42\ncall 1\nr0 = 1\nexit", {}, set_up, true), "42 after 2");
  EXPECT_EQ(result("r6 = 7\nr1 = f ll\nr2 = 5\ncall 2\nr0 += r6\nexit\nf: r6 = r1\nr0 = r1\nr0 += r2\nexit",
                   {}, set_up, true),
            "517 after 26");
  // The frame of the callee is replaced; its caller goes on.
  EXPECT_EQ(result("r6 = 1000\ncall f\nr0 += r6\nexit\n"
                   "f: r6 = 5\nr1 = 77\ncall 3\nr0 = 1\nexit",
                   {.budget = 30}, set_up, true),
            "budget used up in 1+1 after 31");
}

TEST(VmMachine, TheMeterStopsEveryEngineAtTheSameInstruction) {
  for (uint64_t budget = 0; budget < 24; ++budget)
    result(
        "r1 = 3\nr0 = 0\nloop: r0 += 1\nr2 = 1\nr3 = 2\nif r0 == 2 goto skip\nr4 = 5\nskip: r1 -= 1\n"
        "if r1 != 0 goto loop\ncall f\nexit\nf: r0 += 5\nexit",
        {.budget = budget}, {}, true);
  EXPECT_EQ(result("loop: r0 += 1\ngoto loop", {.budget = 1001}, {}, true),
            "budget used up in 0+1 after 1002");
}

TEST(VmMachine, FaultsNameInstructionAndRegion) {
  auto set_up = [](Machine& m) -> std::vector<uint64_t> {
    m.memory().add("constant", kPacketBase, std::vector<uint8_t>(4), false);
    return {m.memory().add("data", kContextBase, std::vector<uint8_t>(8)), kPacketBase};
  };
  EXPECT_EQ(result("r0 = *(u32 *)(r1 + 4)\nr0 = *(u32 *)(r1 + 5)\nexit", {}, set_up),
            "reads 4 bytes at data+5 in 0+1 after 2");
  EXPECT_EQ(result("*(u64 *)(r1 + 0) = 1\n*(u8 *)(r2 + 0) = 1\nr0 = 0\nexit", {}, set_up),
            "writes 1 bytes at constant+0 in 0+1 after 2");
  EXPECT_EQ(result("r0 = *(u8 *)(r2 + 3)\nr0 = *(u8 *)(r2 - 1)\nexit", {}, set_up),
            "reads 1 bytes at constant-1 in 0+1 after 2");
  EXPECT_EQ(result("*(u64 *)(r10 - 512) = 1\n*(u64 *)(r10 - 4) = 1\nexit", {}, set_up),
            "writes 8 bytes at stack0+508 in 0+1 after 2");
  EXPECT_EQ(result("r0 = *(u64 *)(r10 - 513)\nexit", {}, set_up), "reads 8 bytes at stack0-1 in 0+0 after 1");
  EXPECT_EQ(result("r3 = 0\nr0 = *(u64 *)(r3 + 16)\nexit", {}, set_up),
            "reads 8 bytes at 0x10 in 0+1 after 2");
  EXPECT_EQ(result("lock *(u64 *)(r2 + 0) += r1\nexit", {}, set_up),
            "atomic access at constant+0 in 0+0 after 1");
}

// Reserved fields that nobody reads may hold any bits: there is no register 14.
TEST(VmMachine, UnreadFieldsOfInstructionsAreNotRegisters) {
  bpf::Program program = assembled("ldabsh 12\nmov r0, 3\nexit\n");
  for (bpf::Insn& insn : program.functions[bpf::FunctionId{0}].insns) insn.set_src(14);
  const Executable executable(program);
  for (const Op& op : executable.ops()) EXPECT_LE(op.src, 10);
}

TEST(VmMachine, RecursionEnds) {
  EXPECT_EQ(result("call f\nexit\nf: call f\nexit", {}, {}, true),
            "more than 16 nested calls in 1+0 after 16");
  EXPECT_EQ(result("r6 = f ll\ncall f\nexit\nf: r1 = f ll\ncallx r1\nexit", {}, {}, true),
            "more than 16 nested calls in 1+2 after 32");
}

TEST(VmMachine, CalleesKeepRegistersAndHaveFramesOfTheirOwn) {
  EXPECT_EQ(result("r6 = 1\nr7 = 2\nr8 = 3\nr9 = 4\n*(u64 *)(r10 - 8) = 50\nr1 = r10\nr1 += -8\ncall f\n"
                   "r1 = *(u64 *)(r10 - 8)\nr0 += r1\nr0 += r6\nr0 += r7\nr0 += r8\nr0 += r9\nexit\n"
                   "f: r6 = 100\nr7 = 100\nr9 = 100\n*(u64 *)(r10 - 8) = 7\n*(u64 *)(r1 + 0) = 51\n"
                   "r0 = *(u64 *)(r10 - 8)\nexit",
                   {}, {}, true),
            "68 after 22");
}

TEST(VmMachine, MayGotoLeavesItsLoop) {
  EXPECT_EQ(
      result("r0 = 0\nloop: may_goto out\nr0 += 1\ngoto loop\nout: exit", {.may_goto_rounds = 8}, {}, true),
      "7 after 24");
}

TEST(VmMachine, AtomicsOfEveryKind) {
  auto set_up = [](Machine& m) -> std::vector<uint64_t> {
    return {m.memory().add("data", kContextBase, std::vector<uint8_t>(16, 0x81))};
  };
  for (const char* width : {"u32", "u64"}) {
    const std::string w = width;
    for (const char* op : {"+=", "|=", "&=", "^="})
      result("r2 = 0x123456789 ll\nlock *(" + w + " *)(r1 + 8) " + op + " r2\nr0 = *(u64 *)(r1 + 8)\nexit",
             {}, set_up, true);
    for (const char* name : {"add", "or", "and", "xor"})
      result("r2 = 0x123456789 ll\nr2 = atomic_fetch_" + std::string(name) + "((" + w +
                 " *)(r1 + 8), r2)\nr0 = *(u64 *)(r1 + 8)\nr0 ^= r2\nexit",
             {}, set_up, true);
  }
}

// Bytes between two pages that may not be touched.
class Fenced {
 public:
  explicit Fenced(size_t size, bool at_end) {
    memory_ = static_cast<uint8_t*>(mmap(nullptr, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(memory_ + 4096, 4096, PROT_READ | PROT_WRITE);
    bytes_ = memory_ + 4096 + (at_end ? 4096 - size : 0);
  }
  ~Fenced() { munmap(memory_, 3 * 4096); }
  Fenced(const Fenced&) = delete;
  Fenced& operator=(const Fenced&) = delete;
  uint8_t* bytes() const { return bytes_; }

 private:
  uint8_t *memory_ = nullptr, *bytes_ = nullptr;
};

TEST(VmMachine, NothingBeyondARegionIsTouched) {
  for (const bool at_end : {false, true}) {
    const Fenced fence(64, at_end);
    auto set_up = [&](Machine& m) -> std::vector<uint64_t> {
      std::memset(fence.bytes(), 3, 64);
      return {m.memory().add("data", kContextBase, fence.bytes(), 64), 64};
    };
    // Up and down over the edge: it stops there, whatever the size.
    for (const char* access : {"r3 = *(u8 *)(r1 + 0)", "r3 = *(u16 *)(r1 + 0)", "r3 = *(u32 *)(r1 + 0)",
                               "r3 = *(u64 *)(r1 + 0)", "*(u8 *)(r1 + 0) = 5", "*(u64 *)(r1 + 0) = 5",
                               "*(u16 *)(r1 + 0) = r2", "lock *(u64 *)(r1 + 0) += r2"})
      for (const char* step : {"1", "-1"}) {
        const std::string got = result("loop: " + std::string(access) + "\nr1 += " + step + "\ngoto loop",
                                       {.budget = 1000}, set_up);
        EXPECT_NE(got.find("data"), std::string::npos) << got;
      }
  }
}

TEST(VmMachine, CodeFitsItsWorldOnly) {
#if !defined(__x86_64__)
  GTEST_SKIP() << "no compiler for this architecture";
#endif
  const bpf::Program program = assembled("r0 = 1\nexit");
  const Executable executable(program);
  Machine safe(executable), raw(executable, {.checked = false});
  auto jit = Jit::compile(safe);
  ASSERT_TRUE(jit.has_value());
  EXPECT_FALSE(raw.use(jit->get()).has_value());
  {
    Machine other(executable);
    ASSERT_TRUE(other.use(jit->get()).has_value());
    EXPECT_EQ(other.run(0, {}).r0, 1u);
  }
  ASSERT_TRUE(safe.use(jit->get()).has_value());
  jit->reset();
  EXPECT_EQ(safe.run(0, {}).r0, 1u) << "without its code it is interpreted";
}

// Calls through registers lead to functions by address, to helpers by number; jump tables to instructions.
TEST(VmMachine, JumpTables) {
  bpf::Program program = assembled(
      "r2 = 0 ll\nr1 <<= 3\nr2 += r1\nr1 = *(u64 *)(r2 + 0)\nr0 = 0\ngoto +0\nr0 = 1\n"
      "exit\nr0 = 2\nexit\nr0 = 3\nexit");
  bpf::Function& fn = program.functions[bpf::FunctionId{0}];
  fn.insns[6] = bpf::make_insn(bpf::kCodeGotox, 1, 0, 0, 0);
  const auto table =
      program.symbols.add({.kind = bpf::Symbol::Kind::kJumpTable, .name = "table", .targets = {9, 7, 11}});
  fn.attachments = {{0, table}};
  const Executable executable(program);
  for (const bool compiled : {false, true}) {
    Machine machine(executable);
    std::unique_ptr<Jit> jit;
#if defined(__x86_64__)
    if (compiled) {
      auto code = Jit::compile(machine);
      ASSERT_TRUE(code.has_value());
      jit = std::move(*code);
      ASSERT_TRUE(machine.use(jit.get()).has_value());
    }
#endif
    EXPECT_EQ(machine.run(0, {0}).r0, 2u);
    EXPECT_EQ(machine.run(0, {1}).r0, 1u);
    EXPECT_EQ(machine.run(0, {2}).r0, 3u);
    EXPECT_EQ(text_of(machine.run(0, {3})), "reads 8 bytes at table+24 in 0+4 after 4");
  }
}

}  // namespace
}  // namespace epass::vm
