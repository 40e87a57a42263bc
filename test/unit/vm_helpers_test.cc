// The virtual machine's helpers answer as the kernel's do.

#include <gtest/gtest.h>

#include "object/dump.h"
#include "vm/vm.h"

namespace epass {
namespace {

using namespace bpf;

uint64_t result_of(std::vector<Insn> insns, const vm::Options& options = {}) {
  auto program = object::split_flat(std::move(insns), "test");
  EXPECT_TRUE(program);
  vm::Outcome out = vm::run(*program, FunctionId{0}, {.context = vm::Context::kSkb}, options);
  EXPECT_EQ(out.error, "");
  EXPECT_FALSE(out.read_undefined);
  return out.r0;
}

Insn move(int dst, int32_t value) { return make_insn(kAlu64 | kMov, uint8_t(dst), 0, 0, value); }
Insn call(int32_t helper) { return make_insn(kCodeCall, 0, 0, 0, helper); }
constexpr Insn kExit = make_insn(kCodeExit, 0, 0, 0, 0);

// bpf_loop of a callback that returns `answer`.
std::vector<Insn> loop(int32_t rounds, int32_t flags, int32_t answer) {
  return {move(1, rounds),
          make_insn(kCodeLdImm64, 2, kFuncPtr, 0, 5),
          {},
          move(3, 0),
          move(4, flags),
          call(181),
          kExit,
          move(0, answer),
          kExit};
}

TEST(VmHelpers, LoopCountsTheRoundThatStopsIt) {
  EXPECT_EQ(result_of(loop(4, 0, 0)), 4u);
  EXPECT_EQ(result_of(loop(4, 0, 1)), 1u);
  EXPECT_EQ(result_of(loop(0, 0, 1)), 0u);
  EXPECT_EQ(result_of(loop(4, 1, 0)), uint64_t(-22)) << "unknown flags";
  EXPECT_EQ(result_of(loop(-1, 0, 0)), uint64_t(-7)) << "more than BPF_MAX_LOOPS";
}

TEST(VmHelpers, NothingRunsBehindACallThatCannotBe) {
  auto program = object::split_flat({move(1, 1), call(195'896'080), move(10, 1), move(0, 0), kExit}, "test");
  ASSERT_TRUE(program);
  EXPECT_EQ(vm::run(*program, FunctionId{0}, {.context = vm::Context::kSkb}).error,
            "there is no helper number 195896080");
}

// The key in the frame, then the helper; lookups give the first byte of the value, or 77.
std::vector<Insn> map_access(int32_t helper, int32_t key, int32_t flags) {
  std::vector<Insn> insns = {make_insn(kSt | kMem | kW, 10, 0, -4, key),
                             make_insn(kSt | kMem | kDw, 10, 0, -16, 5),
                             make_insn(kAlu64 | kMov | kX, 2, 10, 0, 0),
                             make_insn(kAlu64 | kAdd, 2, 0, 0, -4),
                             make_insn(kAlu64 | kMov | kX, 3, 10, 0, 0),
                             make_insn(kAlu64 | kAdd, 3, 0, 0, -16),
                             move(4, flags),
                             make_insn(kCodeLdImm64, 1, kMapFd, 0, 1),
                             {},
                             call(helper)};
  if (helper == 1) {
    insns.push_back(make_insn(kJmp | kJne, 0, 0, 2, 0));
    insns.push_back(move(0, 77));
    insns.push_back(kExit);
    insns.push_back(make_insn(kLdx | kMem | kB, 0, 0, 0, 0));
  }
  insns.push_back(kExit);
  return insns;
}

TEST(VmHelpers, MapsOfKnownContents) {
  vm::MapInfo info{.type = 2, .key_size = 4, .value_size = 8, .max_entries = 2, .known = true};
  info.entries[{1, 0, 0, 0}] = {42};
  vm::Options array{.maps = {{"map#1", info}}}, hash = array;
  hash.maps["map#1"].type = 1;
  constexpr int32_t kLookup = 1, kUpdate = 2, kDelete = 3;
  EXPECT_EQ(result_of(map_access(kLookup, 0, 0), array), 0u);
  EXPECT_EQ(result_of(map_access(kLookup, 1, 0), array), 42u);
  EXPECT_EQ(result_of(map_access(kLookup, 2, 0), array), 77u) << "behind the end";
  EXPECT_EQ(result_of(map_access(kUpdate, 2, 0), array), uint64_t(-7));
  EXPECT_EQ(result_of(map_access(kUpdate, 1, 1), array), uint64_t(-17)) << "it exists";
  EXPECT_EQ(result_of(map_access(kUpdate, 1, 4), array), uint64_t(-22)) << "unknown flags";
  EXPECT_EQ(result_of(map_access(kDelete, 1, 0), array), uint64_t(-22));
  EXPECT_EQ(result_of(map_access(kLookup, 0, 0), hash), 77u);
  EXPECT_EQ(result_of(map_access(kLookup, 1, 0), hash), 42u);
  EXPECT_EQ(result_of(map_access(kUpdate, 0, 2), hash), uint64_t(-2)) << "it does not exist";
  EXPECT_EQ(result_of(map_access(kUpdate, 0, 1), hash), 0u);
  EXPECT_EQ(result_of(map_access(kDelete, 0, 0), hash), uint64_t(-2));
  EXPECT_EQ(result_of(map_access(kDelete, 1, 0), hash), 0u);
}

// In arrays nothing comes or goes, whatever the seed says that there is; and who looks is not seen.
TEST(VmHelpers, ElementsOfArraysStayWhereTheyAre) {
  const std::vector<Insn> lookup = map_access(1, 3, 0), update = map_access(2, 3, 0);
  std::vector<Insn> insns(lookup.begin(), lookup.begin() + 10);
  insns.push_back(make_insn(kAlu64 | kMov | kX, 6, 0, 0, 0));
  insns.insert(insns.end(), update.begin(), update.begin() + 10);
  insns.insert(insns.end(), lookup.begin(), lookup.begin() + 10);
  // 0 if both are the same element, 1 if there is none both times.
  insns.push_back(make_insn(kAlu64 | kSub | kX, 0, 6, 0, 0));
  insns.push_back(make_insn(kJmp | kJne, 6, 0, 1, 0));
  insns.push_back(make_insn(kAlu64 | kAdd, 0, 0, 0, 1));
  insns.push_back(kExit);
  auto program = object::split_flat(std::move(insns), "test");
  ASSERT_TRUE(program);
  uint64_t missing = 0;
  for (uint64_t seed = 0; seed < 32; ++seed)
    for (uint32_t type : {2u, 6u}) {
      vm::MapInfo info{.type = type, .key_size = 4, .value_size = 8, .max_entries = 8};
      const vm::Input input{.context = vm::Context::kSkb, .seed = seed};
      const vm::Outcome out = vm::run(*program, FunctionId{0}, input, {.maps = {{"map#1", info}}});
      EXPECT_EQ(out.error, "");
      EXPECT_LE(out.r0, 1u);
      EXPECT_EQ(out.events.size(), 1u) << "the update";
      missing += out.r0;
    }
  EXPECT_GT(missing, 0u) << "programs meet both";
  EXPECT_LT(missing, 64u);
}

TEST(VmHelpers, LegacyLoadsSeeWhatTheProgramWrote) {
  auto program = object::split_flat(
      {make_insn(kAlu64 | kMov | kX, 6, 1, 0, 0), make_insn(kLdx | kMem | kW, 2, 1, 76, 0),
       make_insn(kSt | kMem | kB, 2, 0, 3, 0x55), make_insn(kLd | kAbs | kH, 0, 0, 0, 2), kExit},
      "test");
  ASSERT_TRUE(program);
  vm::Outcome out =
      vm::run(*program, FunctionId{0}, {.context = vm::Context::kSkb, .packet = {1, 2, 3, 4, 5}});
  EXPECT_EQ(out.r0, 0x0355u);
}

TEST(VmHelpers, MayGotoLeavesItsLoop) {
  std::vector<Insn> counting = {move(0, 0),
                                make_insn(kCodeMayGoto, 0, 0, 3, 0),
                                make_insn(kAlu64 | kAdd, 0, 0, 0, 1),
                                make_insn(kJmp | kJeq, 0, 0, 1, 100),
                                make_insn(kCodeJa, 0, 0, -4, 0),
                                kExit};
  EXPECT_EQ(result_of(counting), 31u);
  EXPECT_EQ(result_of(counting, {.may_goto_rounds = 0}), 100u);
}

}  // namespace
}  // namespace epass
