// The judges find faults that are planted in the compiler's output, and the reducer makes programs small.

#include "judge.h"

#include <gtest/gtest.h>

#include "coverage.h"
#include "reduce.h"

namespace epass {
namespace {

using namespace bpf;

// One instruction made wrong, chosen by `seed`. False if there is nothing of that kind.
bool plant(std::vector<Insn>& code, uint64_t seed) {
  for (size_t n = 0; n < code.size(); ++n) {
    Insn& insn = code[(seed * 7919 + n) % code.size()];
    uint8_t op = insn.code & 0xf0;
    bool immediate = !(insn.code & kX);
    switch (seed % 4) {
      case 0:
        if (!is_alu(insn.code) || !immediate || op == kEnd || op == kNeg || op == kLsh) continue;
        insn.imm ^= 1;
        return true;
      case 1:
        if (!is_alu(insn.code) || (op != kAdd && op != kXor) || insn.off) continue;
        insn.code = uint8_t((insn.code & 0x0f) | (op == kAdd ? kXor : kOr));
        return true;
      case 2:
        if (!is_conditional_jump(insn.code) || (op != kJeq && op != kJne)) continue;
        insn.code = uint8_t((insn.code & 0x0f) | (op == kJeq ? kJne : kJeq));
        return true;
      default:
        if (insn.cls() != kLdx || (insn.code & 0xe0) != kMem) continue;
        insn.off = int16_t(insn.off ^ 4);
        return true;
    }
  }
  return false;
}

TEST(RandomJudge, FindsPlantedFaults) {
  uint64_t planted = 0, found = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Effort effort{.all_registers = false};
    effort.plant = [&](std::vector<Insn>& code) { planted += plant(code, seed); };
    Totals totals;
    RandomProgram program = random_program(seed, Judge::kVirtualMachine);
    found += judge_in_vm(program, seed, effort, totals).has_value();
  }
  // A fault may lie where no input leads, or change nothing; each program has a dozen tries.
  EXPECT_GT(planted, 200u);
  EXPECT_GT(found, 150u) << "of 200 programs";
}

TEST(RandomJudge, WithoutAFaultThereIsNoMismatch) {
  Totals totals;
  for (uint64_t seed = 1; seed <= 20; ++seed)
    EXPECT_FALSE(
        judge_in_vm(random_program(seed, Judge::kVirtualMachine), seed, {.all_registers = false}, totals));
  EXPECT_EQ(totals.ended, 80u) << "every original ends by itself";
  EXPECT_EQ(totals.undefined, 0u);
}

TEST(RandomJudge, SameSeedSameProgram) {
  for (uint64_t seed : {1, 2, 77}) {
    for (Judge judge : {Judge::kVirtualMachine, Judge::kKernel}) {
      EXPECT_EQ(random_program(seed, judge).insns, random_program(seed, judge).insns);
    }
    EXPECT_NE(random_program(seed, Judge::kKernel).insns, random_program(seed + 1, Judge::kKernel).insns);
  }
}

TEST(Reduce, AMismatchBecomesSmall) {
  // A compiler that turns every multiplication by a register into an addition.
  Effort effort{.all_registers = false};
  effort.plant = [](std::vector<Insn>& code) {
    for (Insn& insn : code)
      if (insn.code == (kAlu64 | kMul | kX)) insn.code = kAlu64 | kAdd | kX;
  };
  int reduced = 0;
  for (uint64_t seed = 1; seed <= 60 && reduced < 3; ++seed) {
    Totals totals;
    RandomProgram program = random_program(seed, Judge::kVirtualMachine);
    auto bad = judge_in_vm(program, seed, effort, totals);
    if (!bad) continue;
    ++reduced;
    RandomProgram small = program;
    auto fails = [&](const std::vector<Insn>& insns) {
      small.insns = insns;
      auto again = judge_in_vm(small, seed, effort, totals, &*bad);
      return again && again->kind == bad->kind;
    };
    std::vector<Insn> result = reduce(program.insns, fails);
    EXPECT_LE(result.size(), 12u) << "seed " << seed << "\n" << listing(result);
    EXPECT_TRUE(fails(result));
    EXPECT_NE(listing(result).find("*="), std::string::npos) << listing(result);
  }
  EXPECT_EQ(reduced, 3);
}

TEST(Reduce, JumpsAndCallsFollowWhatTheyLeadTo) {
  // Deleting the two middle moves must keep the jump over them and the call behind them right.
  std::vector<Insn> insns = {make_insn(kJmp | kJeq, 1, 0, 3, 0),        make_insn(kAlu64 | kMov, 0, 0, 0, 1),
                             make_insn(kAlu64 | kMov, 0, 0, 0, 2),      make_insn(kAlu64 | kMov, 0, 0, 0, 3),
                             make_insn(kCodeCall, 0, kLocalCall, 0, 1), make_insn(kCodeExit, 0, 0, 0, 0),
                             make_insn(kAlu64 | kMov, 0, 0, 0, 4),      make_insn(kCodeExit, 0, 0, 0, 0)};
  auto fails = [](const std::vector<Insn>& code) {
    // A jump to the call, a call to a function that returns 4.
    for (size_t i = 0; i < code.size(); ++i) {
      if (code[i].code != (kJmp | kJeq)) continue;
      size_t to = i + 1 + size_t(code[i].off);
      if (to >= code.size() || code[to].code != kCodeCall) return false;
      size_t callee = to + 1 + size_t(code[to].imm);
      return callee < code.size() && code[callee].imm == 4;
    }
    return false;
  };
  ASSERT_TRUE(fails(insns));
  std::vector<Insn> small = reduce(insns, fails);
  EXPECT_TRUE(fails(small));
  EXPECT_EQ(small.size(), 3u) << listing(small);
}

TEST(Coverage, SeesWhatIsMissing) {
  Coverage coverage;
  EXPECT_EQ(coverage.used(), 0u);
  coverage.add({make_insn(kAlu64 | kAdd, 1, 0, 0, 1), make_insn(kAlu64 | kDiv, 1, 0, 1, 2)});
  EXPECT_EQ(coverage.used(), 2u);
  EXPECT_EQ(coverage.missing().size(), Coverage::all() - 2);
}

// Seeds and pipelines that once made other programs.
TEST(RandomJudge, WhatDifferedOnceIsTheSame) {
  // A value of one copy was kept where the memory of another copy is.
  const std::pair<uint64_t, const char*> kOnce[] = {{106458, "promote-slots,inline"}};
  for (const auto& [seed, passes] : kOnce) {
    Totals totals;
    const Mismatch only{.variant = {.passes = passes}};
    const auto bad = judge_in_vm(random_program(seed, Judge::kVirtualMachine), seed, {}, totals, &only);
    EXPECT_FALSE(bad) << passes << ", seed " << seed << ": " << bad->why;
    EXPECT_GT(totals.runs, 0u);
  }
}

}  // namespace
}  // namespace epass
