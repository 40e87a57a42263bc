// How deep the frame is: a spill of the code generator must never meet memory of the program.

#include <gtest/gtest.h>

#include "codegen/lower.h"
#include "ir/verify.h"
#include "lift/lift.h"
#include "vm/vm.h"

namespace epass {
namespace {

using bpf::Insn;
using bpf::make_insn;

constexpr uint8_t kMov64K = bpf::kAlu64 | bpf::kMov, kMov64X = kMov64K | bpf::kX,
                  kAdd64K = bpf::kAlu64 | bpf::kAdd;
constexpr uint8_t kAdd64X = kAdd64K | bpf::kX, kStoreDw = bpf::kStx | bpf::kMem | bpf::kDw;
constexpr uint8_t kStoreB = bpf::kSt | bpf::kMem | bpf::kB, kLoadB = bpf::kLdx | bpf::kMem | bpf::kB;
constexpr Insn kLeave = {.code = bpf::kCodeExit};

bpf::Program program_of(std::vector<Insn> insns) {
  bpf::Program program;
  program.functions.add({.name = "f", .is_entry = true, .insns = std::move(insns)});
  return program;
}

// Bytes of slot 0; 0 without one.
uint32_t frame_of(std::vector<Insn> insns) {
  bpf::Program program = program_of(std::move(insns));
  auto fn = lift(program, bpf::FunctionId{0}, analyze_calls(program));
  EXPECT_TRUE(fn) << fn.error().message;
  if (!fn) return UINT32_MAX;
  EXPECT_TRUE(verify(*fn));
  if (!fn->slots.size()) return 0;
  for (Inst i : fn->all_insts())
    if (fn->insts[i].op == Opcode::SlotAddr) { EXPECT_EQ(fn->insts[i].imm, fn->slots[Slot{0}].size); }
  EXPECT_EQ(fn->slots[Slot{0}].place, -int(fn->slots[Slot{0}].size));
  return fn->slots[Slot{0}].size;
}

constexpr Insn kZero = make_insn(kMov64K, 0, 0, 0, 0);

TEST(LiftFrame, DirectAccesses) {
  EXPECT_EQ(frame_of({kZero, kLeave}), 0u);
  EXPECT_EQ(frame_of({make_insn(kStoreB, 10, 0, -1, 0), kZero, kLeave}), 8u);
  EXPECT_EQ(frame_of({make_insn(kStoreB, 10, 0, -17, 0), kZero, kLeave}), 24u);
}

TEST(LiftFrame, UnreachableCodeDoesNotCount) {
  EXPECT_EQ(frame_of({kZero, kLeave, make_insn(kStoreB, 10, 0, -100, 0), kLeave}), 0u);
}

TEST(LiftFrame, AddressBuiltWithOtherInstructionsBetween) {
  EXPECT_EQ(frame_of({make_insn(kMov64X, 2, 10, 0, 0), kZero, make_insn(kAdd64K, 2, 0, 0, -40), kLeave}),
            40u);
  EXPECT_EQ(frame_of({make_insn(kMov64X, 2, 10, 0, 0), make_insn(kMov64X, 3, 2, 0, 0),
                      make_insn(kAdd64K, 3, 0, 0, -20), make_insn(kStoreB, 3, 0, -10, 0), kZero, kLeave}),
            32u);
  EXPECT_EQ(frame_of({make_insn(kMov64K, 2, 0, 0, -48), make_insn(kAdd64X, 2, 10, 0, 0), kZero, kLeave}),
            48u);
}

TEST(LiftFrame, AddressInAnotherBlock) {
  EXPECT_EQ(frame_of({make_insn(kMov64X, 2, 10, 0, 0), make_insn(bpf::kJmp | bpf::kJeq, 1, 0, 1, 0),
                      make_insn(kAdd64K, 2, 0, 0, -8), make_insn(kStoreB, 2, 0, -56, 0), kZero, kLeave}),
            64u);
}

TEST(LiftFrame, UpwardLoopKeepsItsStart) {
  EXPECT_EQ(frame_of({make_insn(kMov64X, 2, 10, 0, 0), make_insn(kAdd64K, 2, 0, 0, -32),
                      make_insn(kStoreB, 2, 0, 0, 0), make_insn(kAdd64K, 2, 0, 0, 1),
                      make_insn(bpf::kJmp | bpf::kJne | bpf::kX, 2, 10, -3, 0), kZero, kLeave}),
            32u);
}

TEST(LiftFrame, UnknownAddressesTakeTheWholeFrame) {
  // A loop downward, an unknown index, and arithmetic that is no addition.
  EXPECT_EQ(frame_of({make_insn(kMov64X, 2, 10, 0, 0), make_insn(kAdd64K, 2, 0, 0, -1),
                      make_insn(kStoreB, 2, 0, 0, 0), make_insn(kLoadB, 3, 1, 0, 0),
                      make_insn(bpf::kJmp | bpf::kJne, 3, 0, -4, 0), kZero, kLeave}),
            512u);
  EXPECT_EQ(frame_of({make_insn(kMov64X, 2, 10, 0, 0), make_insn(kLoadB, 3, 1, 0, 0),
                      make_insn(kAdd64X, 2, 3, 0, 0), kZero, kLeave}),
            512u);
  EXPECT_EQ(frame_of({make_insn(kMov64X, 2, 10, 0, 0), make_insn(bpf::kAlu64 | bpf::kAnd, 2, 0, 0, -8), kZero,
                      kLeave}),
            512u);
}

TEST(LiftFrame, SpillsStayOutOfBuffers) {
  // A buffer at fp-64 that only an address built in two steps reaches, and more values than four registers
  // hold.
  std::vector<Insn> insns = {make_insn(kMov64X, 2, 10, 0, 0), make_insn(kMov64K, 3, 0, 0, 0x55),
                             make_insn(kAdd64K, 2, 0, 0, -64)};
  for (int16_t n = 0; n < 8; ++n) insns.push_back(make_insn(kStoreDw, 2, 3, int16_t(8 * n), 0));
  for (uint8_t r = 3; r < 10; ++r) insns.push_back(make_insn(kLoadB, r, 1, r, 0));
  insns.push_back(kZero);
  for (uint8_t r = 3; r < 10; ++r) {
    insns.push_back(make_insn(bpf::kAlu64 | bpf::kMul, 0, 0, 0, 31));
    insns.push_back(make_insn(kAdd64X, 0, r, 0, 0));
  }
  for (int16_t n = 0; n < 8; ++n) {
    insns.push_back(make_insn(bpf::kLdx | bpf::kMem | bpf::kDw, 3, 2, int16_t(8 * n), 0));
    insns.push_back(make_insn(bpf::kAlu64 | bpf::kMul, 0, 0, 0, 31));
    insns.push_back(make_insn(kAdd64X, 0, 3, 0, 0));
  }
  insns.push_back(kLeave);
  bpf::Program program = program_of(insns);
  auto fn = lift(program, bpf::FunctionId{0}, analyze_calls(program));
  ASSERT_TRUE(fn);
  vm::Input input{.packet = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};
  vm::Outcome before = vm::run(program, bpf::FunctionId{0}, input);
  ASSERT_EQ(before.error, "");
  for (int registers = 4; registers <= 10; ++registers) {
    auto code = lower(*fn, {.isa = bpf::Isa::kV4, .registers = registers});
    ASSERT_TRUE(code) << code.error().message;
    if (registers == 4) {
      EXPECT_GT(code->stack_bytes, 64u) << "nothing was spilled: the test shows nothing";
    }
    vm::Outcome after =
        vm::run(vm::with_code(program, {{bpf::FunctionId{0}, *code}}), bpf::FunctionId{0}, input);
    EXPECT_EQ(vm::difference(before, after), "") << registers << " registers";
  }
}

}  // namespace
}  // namespace epass
