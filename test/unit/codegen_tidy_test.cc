// What the last look at the code finds: values that a register or a slot holds already.

#include <gtest/gtest.h>

#include <algorithm>

#include "codegen/lower.h"
#include "codegen/tidy.h"
#include "lift/lift.h"
#include "object/dump.h"
#include "vm/vm.h"

namespace epass {
namespace {

using bpf::Insn;
using bpf::make_insn;

constexpr uint8_t kMoveK = bpf::kAlu64 | bpf::kMov, kMoveX = kMoveK | bpf::kX, kAddX = bpf::kAlu64 | bpf::kX;
constexpr uint8_t kStoreX = bpf::kStx | bpf::kMem | bpf::kDw, kStoreK = bpf::kSt | bpf::kMem | bpf::kDw,
                  kLoad = bpf::kLdx | bpf::kMem | bpf::kDw;
constexpr Insn kLeave = make_insn(bpf::kCodeExit, 0, 0, 0, 0);

// Compiles without passes.
bpf::NewCode tidied(const bpf::Program& program) {
  auto fn = lift(program, bpf::FunctionId{0}, analyze_calls(program));
  EXPECT_TRUE(fn);
  auto code = fn ? lower(*fn, {.isa = bpf::Isa::kV4, .tidy = true}) : fail(fn.error());
  EXPECT_TRUE(code);
  return code ? std::move(*code) : bpf::NewCode();
}

vm::Outcome run(const bpf::Program& program, const bpf::NewCode& code, const vm::Input& input) {
  return vm::run(vm::with_code(program, {{bpf::FunctionId{0}, code}}), bpf::FunctionId{0}, input);
}

// Runs both: the same result, and this code.
void expect_tidied(std::vector<Insn> before, const std::vector<Insn>& expected) {
  auto program = object::split_flat(before, "test");
  ASSERT_TRUE(program);
  const bpf::NewCode code = tidied(*program);
  EXPECT_EQ(code.insns, expected);
  EXPECT_EQ(code.origin.size(), code.insns.size());
  const vm::Input input{.packet = {1, 2, 3, 4, 5, 6, 7, 8}};
  const vm::Outcome old = vm::run(*program, bpf::FunctionId{0}, input);
  EXPECT_EQ(vm::difference(old, run(*program, code, input)), "");
}

TEST(Tidy, AConstantThatARegisterHoldsIsUsedFromThere) {
  const Insn add = make_insn(bpf::kStx | bpf::kAtomic | bpf::kDw, 10, 1, -8, bpf::kAdd);
  Insn renamed = add;
  renamed.set_src(6);
  const Insn sum = make_insn(kAddX, 0, 6, 0, 0);
  expect_tidied({make_insn(kMoveK, 6, 0, 0, 1), make_insn(kStoreK, 10, 0, -8, 0),
                 make_insn(kMoveK, 1, 0, 0, 1), add, make_insn(kLoad, 0, 10, -8, 0), sum, kLeave},
                {make_insn(kMoveK, 6, 0, 0, 1), make_insn(kStoreK, 10, 0, -8, 0), renamed,
                 make_insn(kLoad, 0, 10, -8, 0), sum, kLeave});
}

TEST(Tidy, StoredConstantsComeFromARegister) {
  expect_tidied({make_insn(kMoveK, 0, 0, 0, 5), make_insn(kStoreK, 10, 0, -8, 5), kLeave},
                {make_insn(kMoveK, 0, 0, 0, 5), make_insn(kStoreX, 10, 0, -8, 0), kLeave});
}

TEST(Tidy, ASecondCopyGoes) {
  expect_tidied(
      {make_insn(kMoveX, 2, 1, 0, 0), make_insn(kLoad, 0, 2, 0, 0), make_insn(kMoveX, 2, 1, 0, 0),
       make_insn(kLoad, 3, 2, 0, 0), make_insn(kAddX, 0, 3, 0, 0), kLeave},
      {make_insn(kLoad, 0, 1, 0, 0), make_insn(kLoad, 3, 1, 0, 0), make_insn(kAddX, 0, 3, 0, 0), kLeave});
}

TEST(Tidy, AConstantThatIsOnlyMovedIsMadeWhereItIsWanted) {
  const Insn load = make_insn(kLoad, 3, 1, 0, 0);
  expect_tidied({make_insn(kMoveK, 2, 0, 0, 7), load, make_insn(bpf::kJmp | bpf::kJeq, 3, 0, 2, 0),
                 make_insn(kMoveX, 0, 2, 0, 0), kLeave, make_insn(kMoveK, 0, 0, 0, 1), kLeave},
                {load, make_insn(bpf::kJmp | bpf::kJeq, 3, 0, 2, 0), make_insn(kMoveK, 0, 0, 0, 7), kLeave,
                 make_insn(kMoveK, 0, 0, 0, 1), kLeave});
  // An instruction reads it: the move stays a move.
  const std::vector<Insn> read = {make_insn(kMoveK, 2, 0, 0, 7), load,
                                  make_insn(kAddX, 3, 2, 0, 0),  make_insn(kStoreX, 10, 3, -8, 0),
                                  make_insn(kMoveX, 0, 2, 0, 0), kLeave};
  expect_tidied(read, read);
}

TEST(Homes, MovesThatAreSparedCountMoreIfHomesComeLast) {
  auto program = object::split_flat({make_insn(kLoad, 2, 1, 0, 0), make_insn(kMoveK, 7, 0, 0, 1),
                                     make_insn(bpf::kJmp | bpf::kJne, 2, 0, 1, 0),
                                     make_insn(kMoveK, 7, 0, 0, 2), make_insn(kMoveX, 0, 7, 0, 0), kLeave},
                                    "test");
  ASSERT_TRUE(program);
  auto fn = lift(*program, bpf::FunctionId{0}, analyze_calls(*program));
  ASSERT_TRUE(fn);
  auto kept = lower(*fn, {.homes = Homes::kKept}), last = lower(*fn, {.homes = Homes::kLast});
  ASSERT_TRUE(kept && last);
  auto moves = [](const bpf::NewCode& code) { return std::ranges::count(code.insns, kMoveX, &Insn::code); };
  EXPECT_EQ(moves(*kept), 1);
  EXPECT_EQ(moves(*last), 0);
  const vm::Input input{.packet = {1, 2, 3, 4, 5, 6, 7, 8}};
  EXPECT_EQ(vm::difference(run(*program, *kept, input), run(*program, *last, input)), "");
}

TEST(Tidy, NothingThatChangedInBetween) {
  const std::vector<Insn> code = {make_insn(kMoveK, 6, 0, 0, 1), make_insn(kLoad, 2, 1, 0, 0),
                                  make_insn(kAddX, 6, 2, 0, 0),  make_insn(kMoveK, 0, 0, 0, 1),
                                  make_insn(kAddX, 0, 6, 0, 0),  kLeave};
  expect_tidied(code, code);
}

TEST(Tidy, WaysThatMeetMustAgree) {
  // r2 is 1 on one way only, r3 on both.
  const std::vector<Insn> code = {make_insn(kMoveK, 3, 0, 0, 1),
                                  make_insn(kLoad, 4, 1, 0, 0),
                                  make_insn(kMoveK, 2, 0, 0, 1),
                                  make_insn(bpf::kJmp | bpf::kJeq, 4, 0, 1, 0),
                                  make_insn(kMoveK, 2, 0, 0, 2),
                                  make_insn(kMoveK, 0, 0, 0, 1),
                                  make_insn(kAddX, 0, 2, 0, 0),
                                  make_insn(kAddX, 0, 3, 0, 0),
                                  kLeave};
  std::vector<Insn> expected = code;
  expected[2] = make_insn(kMoveX, 2, 3, 0, 0);
  expected[5] = make_insn(kMoveX, 0, 3, 0, 0);
  expect_tidied(code, expected);
}

TEST(Tidy, LoopsForgetWhatTheLastRoundComputed) {
  // r7 is the r6 of the round before, although the same instruction made it.
  const std::vector<Insn> code = {make_insn(kMoveK, 8, 0, 0, 3),
                                  make_insn(kMoveK, 7, 0, 0, 0),
                                  make_insn(kMoveK, 9, 0, 0, 0),
                                  make_insn(kMoveX, 6, 8, 0, 0),
                                  make_insn(bpf::kAlu64 | bpf::kMul, 6, 0, 0, 5),
                                  make_insn(kAddX, 9, 7, 0, 0),
                                  make_insn(kMoveX, 7, 6, 0, 0),
                                  make_insn(bpf::kAlu64 | bpf::kAdd, 8, 0, 0, -1),
                                  make_insn(bpf::kJmp | bpf::kJne, 8, 0, -6, 0),
                                  make_insn(kMoveX, 0, 9, 0, 0),
                                  kLeave};
  auto program = object::split_flat(code, "test");
  ASSERT_TRUE(program);
  EXPECT_EQ(run(*program, tidied(*program), {}).r0, 25u);
}

}  // namespace
}  // namespace epass
