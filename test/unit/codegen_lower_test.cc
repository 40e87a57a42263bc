// What lift and lower promise together: the same bytes for untouched functions, the same meaning for all
// others.

#include <gtest/gtest.h>

#include "codegen/lower.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "lift/lift.h"
#include "object/dump.h"
#include "vm/vm.h"

namespace epass {
namespace {

using bpf::Insn;
using bpf::make_insn;

constexpr uint8_t kMov64K = bpf::kAlu64 | bpf::kMov, kMov64X = kMov64K | bpf::kX,
                  kAdd64K = bpf::kAlu64 | bpf::kAdd;
constexpr uint8_t kAdd64X = kAdd64K | bpf::kX, kMov32X = bpf::kAlu | bpf::kMov | bpf::kX,
                  kMov32K = bpf::kAlu | bpf::kMov;
constexpr Insn kLeave = {.code = bpf::kCodeExit};

bpf::Program program_of(std::vector<Insn> insns) {
  auto program = object::split_flat(std::move(insns), "test");
  EXPECT_TRUE(program);
  return std::move(*program);
}

Result<bpf::NewCode> compile(const bpf::Program& program, LowerOptions options = {.isa = bpf::Isa::kV4}) {
  auto fn = lift(program, bpf::FunctionId{0}, analyze_calls(program));
  if (!fn) return fail(fn.error());
  if (auto ok = verify(*fn); !ok) return fail(ok.error());
  return lower(*fn, options);
}

// Compiles with every number of registers, and expects the original's result each time.
void expect_same(const std::vector<Insn>& insns, uint64_t r0) {
  bpf::Program program = program_of(insns);
  vm::Input input{.packet = {1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0xfe}};
  vm::Outcome before = vm::run(program, bpf::FunctionId{0}, input);
  EXPECT_EQ(before.error, "");
  EXPECT_EQ(before.r0, r0);
  for (int registers = 4; registers <= 10; ++registers) {
    auto code = compile(program, {.isa = bpf::Isa::kV4, .registers = registers});
    ASSERT_TRUE(code) << code.error().message;
    if (registers == 10) { EXPECT_EQ(code->insns, program.functions[bpf::FunctionId{0}].insns); }
    vm::Outcome after =
        vm::run(vm::with_code(program, {{bpf::FunctionId{0}, *code}}), bpf::FunctionId{0}, input);
    EXPECT_EQ(vm::difference(before, after), "") << registers << " registers";
    EXPECT_EQ(after.r0, r0) << registers << " registers";
  }
}

TEST(Lower, Mov32IsNoCopy) {
  expect_same({make_insn(bpf::kCodeLdImm64, 2, 0, 0, 5), make_insn(0, 0, 0, 0, 1),
               make_insn(kMov32X, 0, 2, 0, 0), make_insn(bpf::kAlu64 | bpf::kRsh, 0, 0, 0, 32), kLeave},
              0);
}

TEST(Lower, NegativeImmediateOf32Bits) {
  expect_same({make_insn(kMov32K, 2, 0, 0, -1), make_insn(kMov64K, 0, 0, 0, 0),
               make_insn(kAdd64X, 0, 2, 0, 0), make_insn(bpf::kAlu64 | bpf::kRsh, 0, 0, 0, 32), kLeave},
              0);
}

TEST(Lower, SignExtendingLoad) {
  expect_same({make_insn(bpf::kLdx | bpf::kMemsx | bpf::kB, 0, 1, 8, 0),
               make_insn(bpf::kAlu64 | bpf::kRsh, 0, 0, 0, 32), kLeave},
              0xffffffff);
}

// r2 and r3 change places in every round.
TEST(Lower, SwapInALoop) {
  expect_same({make_insn(kMov64K, 2, 0, 0, 1), make_insn(kMov64K, 3, 0, 0, 0x10),
               make_insn(kMov64K, 4, 0, 0, 3), make_insn(kMov64X, 5, 2, 0, 0), make_insn(kMov64X, 2, 3, 0, 0),
               make_insn(kMov64X, 3, 5, 0, 0), make_insn(kAdd64K, 4, 0, 0, -1),
               make_insn(bpf::kJmp | bpf::kJne, 4, 0, -5, 0), make_insn(kMov64X, 0, 3, 0, 0),
               make_insn(bpf::kAlu64 | bpf::kLsh, 0, 0, 0, 8), make_insn(kAdd64X, 0, 2, 0, 0), kLeave},
              0x110);
}

// The value before the last step is used after the loop.
TEST(Lower, LostCopy) {
  expect_same({make_insn(kMov64K, 2, 0, 0, 0), make_insn(kMov64X, 3, 2, 0, 0), make_insn(kAdd64K, 2, 0, 0, 1),
               make_insn(bpf::kJmp | bpf::kJne, 2, 0, -3, 3), make_insn(kMov64X, 0, 3, 0, 0),
               make_insn(bpf::kAlu64 | bpf::kLsh, 0, 0, 0, 8), make_insn(kAdd64X, 0, 2, 0, 0), kLeave},
              0x203);
}

TEST(Lower, ShiftPairCutsTo32Bits) {
  expect_same({make_insn(bpf::kCodeLdImm64, 0, 0, 0, 5), make_insn(0, 0, 0, 0, 1),
               make_insn(bpf::kAlu64 | bpf::kLsh, 0, 0, 0, 32),
               make_insn(bpf::kAlu64 | bpf::kRsh, 0, 0, 0, 32), kLeave},
              5);
}

TEST(Lower, LoopAtTheFirstInstruction) {
  expect_same({make_insn(bpf::kLdx | bpf::kMem | bpf::kB, 3, 1, 0, 0), make_insn(kAdd64K, 1, 0, 0, 1),
               make_insn(bpf::kJmp | bpf::kJne, 3, 0, -3, 5), make_insn(kMov64X, 0, 3, 0, 0), kLeave},
              5);
}

TEST(Lower, CompareAndExchange) {
  expect_same({make_insn(kMov64K, 0, 0, 0, 7), make_insn(bpf::kStx | bpf::kMem | bpf::kDw, 10, 0, -8, 0),
               make_insn(kMov64K, 3, 0, 0, 9),
               make_insn(bpf::kStx | bpf::kAtomic | bpf::kDw, 10, 3, -8, bpf::kCmpxchg),
               make_insn(bpf::kLdx | bpf::kMem | bpf::kDw, 4, 10, -8, 0),
               make_insn(bpf::kAlu64 | bpf::kLsh, 0, 0, 0, 8), make_insn(kAdd64X, 0, 4, 0, 0), kLeave},
              0x709);
}

TEST(Lower, MoreValuesThanRegisters) {
  std::vector<Insn> insns;
  for (uint8_t r = 2; r < 10; ++r) insns.push_back(make_insn(kMov64K, r, 0, 0, r * 3));
  insns.push_back(make_insn(kMov64K, 0, 0, 0, 0));
  for (uint8_t r = 2; r < 10; ++r) insns.push_back(make_insn(kAdd64X, r, uint8_t(r == 9 ? 2 : r + 1), 0, 0));
  for (uint8_t r = 2; r < 10; ++r) insns.push_back(make_insn(bpf::kAlu64 | bpf::kXor | bpf::kX, 0, r, 0, 0));
  insns.push_back(kLeave);
  bpf::Program program = program_of(insns);
  expect_same(insns, vm::run(program, bpf::FunctionId{0}, {}).r0);
}

TEST(Lower, IsaBelowV3HasNo32BitForms) {
  bpf::Program program =
      program_of({make_insn(bpf::kCodeLdImm64, 2, 0, 0, -5), make_insn(0, 0, 0, 0, 77),
                  make_insn(kMov32X, 0, 2, 0, 0), make_insn(bpf::kAlu | bpf::kArsh, 0, 0, 0, 1),
                  make_insn(bpf::kJmp32 | bpf::kJslt, 0, 0, 1, 0), make_insn(kMov64K, 0, 0, 0, 1), kLeave});
  auto code = compile(program, {.isa = bpf::Isa::kV1});
  ASSERT_TRUE(code) << code.error().message;
  EXPECT_EQ(bpf::isa_of(code->insns), bpf::Isa::kV1);
  EXPECT_EQ(vm::run(vm::with_code(program, {{bpf::FunctionId{0}, *code}}), bpf::FunctionId{0}, {}).r0,
            vm::run(program, bpf::FunctionId{0}, {}).r0);
}

// Kernels before 6.4 refuse stores of immediates to the context, all refuse a shift by the width and a
// division by a constant zero. What has a register for that keeps one, whichever.
TEST(Lower, NoImmediatesOfWhatTheInputHadInRegisters) {
  const bpf::Program program =
      program_of({make_insn(kMov64K, 2, 0, 0, 5), make_insn(bpf::kStx | bpf::kMem | bpf::kW, 1, 2, 8, 0),
                  make_insn(kMov64K, 3, 0, 0, 64), make_insn(kMov64K, 0, 0, 0, 1),
                  make_insn(bpf::kAlu64 | bpf::kLsh | bpf::kX, 0, 3, 0, 0), make_insn(kMov64K, 4, 0, 0, 0),
                  make_insn(bpf::kAlu64 | bpf::kDiv | bpf::kX, 0, 4, 0, 0), kLeave});
  for (const Homes homes : {Homes::kKept, Homes::kPreferred, Homes::kLast}) {
    auto code = compile(program, {.isa = bpf::Isa::kV4, .homes = homes, .tidy = true});
    ASSERT_TRUE(code) << code.error().message;
    for (const Insn& insn : code->insns) {
      EXPECT_NE(insn.cls(), bpf::kSt);
      EXPECT_NE(insn.code, bpf::kAlu64 | bpf::kLsh);
      EXPECT_NE(insn.code, bpf::kAlu64 | bpf::kDiv);
    }
  }
}

// The loader writes what the offset is to be: the address that it is added to must be in a register.
TEST(Lower, ALoadWithACoreRecordKeepsItsOffset) {
  auto module = parse(R"(function core - "" {
  slot s0 16 at fp-16
b0:
  store.u64 s0+8, 0
  v0 = slot_addr s0+0
  v1 = load.u64 v0+8           core(1)
  return v1
}
)");
  ASSERT_TRUE(module) << module.error().message;
  auto code = lower(module->functions[0], {});
  ASSERT_TRUE(code) << code.error().message;
  ASSERT_EQ(code->core.size(), 1u);
  const Insn load = code->insns[code->core[0].insn];
  EXPECT_EQ(load.cls(), bpf::kLdx);
  EXPECT_EQ(load.off, 8);
  EXPECT_NE(load.src(), bpf::kFrameRegister);
}

TEST(Lower, BlocksThatOnlyJumpOnAreLeftOutWhenTidying) {
  const bpf::Program program =
      program_of({make_insn(kMov64K, 0, 0, 0, 1), make_insn(bpf::kJmp | bpf::kJgt, 1, 0, 2, 5),
                  make_insn(kMov64K, 0, 0, 0, 7), make_insn(bpf::kJmp | bpf::kJa, 0, 0, 1, 0),
                  make_insn(bpf::kJmp | bpf::kJa, 0, 0, 0, 0), kLeave});
  const auto plain = compile(program, {.isa = bpf::Isa::kV1});
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->insns.size(), 5u);  // `goto +0`, which led past the other jump
  const auto tidied = compile(program, {.isa = bpf::Isa::kV1, .tidy = true});
  ASSERT_TRUE(tidied);
  const std::vector<Insn> expected = {make_insn(kMov64K, 0, 0, 0, 1),
                                      make_insn(bpf::kJmp | bpf::kJgt, 1, 0, 1, 5),
                                      make_insn(kMov64K, 0, 0, 0, 7), kLeave};
  EXPECT_EQ(tidied->insns, expected);
}

TEST(Lift, RefusesJumpsOutOfTheFunction) {
  auto code = compile(program_of({make_insn(bpf::kCodeJa, 0, 0, 7, 0), kLeave}));
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().code, "jump-range");
  EXPECT_EQ(code.error().where.insn, 0);
}

TEST(Lift, RefusesUnknownInstructions) {
  auto code = compile(program_of({make_insn(0xff, 0, 0, 0, 0), kLeave}));
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().code, "insn-unknown");
}

TEST(Text, PrintAndParseAreInverse) {
  bpf::Program program =
      program_of({make_insn(bpf::kCodeLdImm64, 1, bpf::kMapFd, 0, 5), make_insn(0, 0, 0, 0, 0),
                  make_insn(bpf::kSt | bpf::kMem | bpf::kW, 10, 0, -4, 3), make_insn(kMov64X, 2, 10, 0, 0),
                  make_insn(kAdd64K, 2, 0, 0, -4), make_insn(bpf::kCodeCall, 0, 0, 0, 1),
                  make_insn(bpf::kJmp | bpf::kJeq, 0, 0, 1, 0),
                  make_insn(bpf::kLdx | bpf::kMem | bpf::kDw, 0, 0, 0, 0), kLeave});
  auto fn = lift(program, bpf::FunctionId{0}, analyze_calls(program));
  ASSERT_TRUE(fn);
  Module module;
  module.symbols = program.symbols;
  module.functions.push_back(*fn);
  std::string once = print(module);
  auto parsed = parse(once);
  ASSERT_TRUE(parsed) << parsed.error().where.line << ": " << parsed.error().message << "\n" << once;
  EXPECT_EQ(print(*parsed), once);
  auto code = lower(parsed->functions[0], {});
  ASSERT_TRUE(code);
  EXPECT_EQ(code->insns, program.functions[bpf::FunctionId{0}].insns);
}

}  // namespace
}  // namespace epass
