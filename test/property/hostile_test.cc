// Programs that no verifier has seen: mutants of random programs, on both engines with checks. They end with
// a value or an error, the same on both, and touch nothing outside of their regions, which pages that may not
// be touched surround.

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <random>

#include "object/dump.h"
#include "random_program.h"
#include "vm/jit.h"

namespace epass {
namespace {

constexpr size_t kPage = 4096, kSize = 64;

// A region of kSize bytes that ends where a page begins that may not be touched, or begins where one ends.
class Fenced {
 public:
  explicit Fenced(bool at_end) {
    memory_ = static_cast<uint8_t*>(mmap(nullptr, 3 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(memory_ + kPage, kPage, PROT_READ | PROT_WRITE);
    bytes_ = memory_ + kPage + (at_end ? kPage - kSize : 0);
  }
  ~Fenced() { munmap(memory_, 3 * kPage); }
  Fenced(const Fenced&) = delete;
  Fenced& operator=(const Fenced&) = delete;
  uint8_t* bytes() const { return bytes_; }
  // What surrounds the region in its page was not written, either.
  bool is_whole() const {
    for (uint8_t* p = memory_ + kPage; p < memory_ + 2 * kPage; ++p)
      if ((p < bytes_ || p >= bytes_ + kSize) && *p) return false;
    return true;
  }

 private:
  uint8_t *memory_ = nullptr, *bytes_ = nullptr;
};

// Maps and data are one region; helpers return numbers and addresses, copy memory, call back and go on
// elsewhere.
class World : public vm::Host {
 public:
  uint64_t address_of(vm::Machine&, uint32_t, uint8_t, uint64_t imm) override {
    return vm::kDataBase + (imm >> 32);
  }
  uint64_t call_helper(vm::Machine& m, int32_t id) override {
    switch (++calls % 8 ? uint32_t(id) % 16 : 0) {
      case 1: return vm::kDataBase + m.arg(2) % kSize;
      case 2: {  // over itself, too
        const uint64_t size = m.arg(3) % (2 * kSize);
        uint8_t* to = m.at(m.arg(1), size, vm::Access::kWrite);
        const uint8_t* from = m.at(m.arg(2), size, vm::Access::kRead);
        if (!to || !from) return uint64_t(-14);
        std::memmove(to, from, size);
        return size;
      }
      case 3: {
        uint64_t sum = 0;
        for (uint64_t n = 0; n < m.arg(3) % 4 + 1; ++n) {
          auto answer = m.call(uint32_t(m.arg(2) >> 32) % 3, {n, vm::kDataBase});
          if (!answer) return 0;
          sum += answer->r0;
        }
        return sum;
      }
      case 4: return m.tail_call(uint32_t(m.arg(3)) % 3, m.arg(1));
      case 5: return m.end(m.arg(1));
      case 6: return m.fail("the helper refuses");
      default: return calls * 0x123456789;
    }
  }
  uint64_t call_symbol(vm::Machine& m, uint32_t symbol) override { return call_helper(m, int32_t(symbol)); }
  uint64_t calls = 0;
};

std::string run(const vm::Executable& executable, bool compiled, const Fenced& data, const Fenced& context) {
  std::memset(data.bytes(), 0x11, kSize), std::memset(context.bytes(), 0x22, kSize);
  World world;
  vm::Machine machine(executable, {.budget = 20'000, .may_goto_rounds = 100, .context = vm::Context::kXdp},
                      &world);
  machine.memory().add("data", vm::kDataBase, data.bytes(), kSize);
  machine.memory().add("context", vm::kContextBase, context.bytes(), kSize, false);
  machine.set_context(vm::kContextBase);
  machine.set_packet(vm::kDataBase, kSize);
  std::unique_ptr<vm::Jit> jit;
  if (compiled) {
    auto code = vm::Jit::compile(machine);
    if (!code) return code.error().message;
    jit = std::move(*code);
    if (auto used = machine.use(jit.get()); !used) return used.error().message;
  }
  const vm::Run out = machine.run(0, {vm::kContextBase, kSize});
  uint64_t hash = 0;
  for (size_t n = 0; n < kSize; ++n) hash = hash * 31 + data.bytes()[n];
  // Control that runs off the end of a function has no instruction of its own.
  return out.fault.message + " at " + std::to_string(out.fault.function) + "+" +
         std::to_string(out.fault.insn) + ", " + std::to_string(out.r0) + " after " +
         std::to_string(out.executed) + ", memory " + std::to_string(hash);
}

void mutate(std::vector<bpf::Insn>& insns, std::mt19937_64& random) {
  for (int n = 1 + int(random() % 6); n > 0; --n) {
    bpf::Insn& insn = insns[random() % insns.size()];
    switch (random() % 7) {
      case 0: insn.code = uint8_t(insn.code ^ 1u << random() % 8); break;
      case 1: insn.set_dst(uint8_t(random() % 12)); break;
      case 2: insn.regs = uint8_t(random()); break;
      case 3: insn.off = int16_t(random() % 2 ? random() : uint64_t(insn.off) + random() % 17 - 8); break;
      case 4: insn.imm = int32_t(random() % 2 ? random() : uint64_t(insn.imm) + random() % 17 - 8); break;
      case 5: insn = insns[random() % insns.size()]; break;
      default: std::swap(insn, insns[random() % insns.size()]);
    }
  }
}

TEST(Hostile, MutantsEndAndStayInside) {
#if !defined(__x86_64__)
  GTEST_SKIP() << "no compiler for this architecture";
#endif
  size_t ran = 0, compared = 0, ended = 0;
  const Fenced data(true), context(false);
  for (uint64_t seed = 1; ran < 10'000; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<bpf::Insn> insns = random_program(seed % 512, Judge::kVirtualMachine).insns;
    mutate(insns, random);
    auto program = object::split_flat(std::move(insns), "mutant");
    if (!program) continue;
    const vm::Executable executable(*program);
    ++ran;
    const std::string compiled = run(executable, true, data, context);
    ASSERT_TRUE(data.is_whole() && context.is_whole()) << "seed " << seed;
    ended += compiled.starts_with(" at");
    // A call through a register leaves other rubbish in registers that must not be read.
    bool through_register = false;
    for (const vm::Op& op : executable.ops()) through_register |= op.code == vm::OpCode::kCallRegister;
    if (through_register) continue;
    ++compared;
    ASSERT_EQ(compiled, run(executable, false, data, context)) << "seed " << seed;
  }
  EXPECT_GT(ended, 500u);
  EXPECT_GT(compared, ran / 2);
  RecordProperty("ended", int(ended));
}

}  // namespace
}  // namespace epass
