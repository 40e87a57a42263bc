// The verifier's walk: insn_processed that Linux 6.18 gave for the same code.

#include <gtest/gtest.h>

#include <vector>

#include "bpf/verifier_work.h"

namespace epass::bpf {
namespace {

constexpr Insn kLeave = make_insn(kCodeExit, 0, 0, 0, 0);
constexpr Insn kZero = make_insn(kAlu64 | kMov, 0, 0, 0, 0);

void fill(std::vector<Insn>& code, int count) { code.insert(code.end(), size_t(count), kZero); }

// `rungs` times: a random number decides whether an instruction is jumped over; `between` others.
std::vector<Insn> ladder(int rungs, int between) {
  constexpr int32_t kRandom = 7;
  std::vector<Insn> code;
  for (int n = 0; n < rungs; ++n) {
    code.push_back(make_insn(kCodeCall, 0, 0, 0, kRandom));
    code.push_back(make_insn(kJmp | kJeq, 0, 0, 1, 0));
    fill(code, 1 + between);
  }
  fill(code, 1);
  code.push_back(kLeave);
  return code;
}

TEST(VerifierWork, StraightCodeIsWalkedOnce) {
  std::vector<Insn> code;
  fill(code, 20);
  code.push_back(make_insn(kLd | kDw, 1, 0, 0, 7));  // two records, one instruction
  code.push_back({});
  code.push_back(kLeave);
  EXPECT_EQ(verifier_work(code), 22u);
}

// Where the ways of one branch meet no state is kept: what follows is walked twice, however long it is.
TEST(VerifierWork, ABranchAlone) { EXPECT_EQ(verifier_work(ladder(1, 20)), 47u); }

TEST(VerifierWork, TwoJumpsAndEightInstructionsKeepAState) {
  EXPECT_EQ(verifier_work(ladder(2, 0)), 15u);
  EXPECT_EQ(verifier_work(ladder(4, 0)), 32u);
  EXPECT_EQ(verifier_work(ladder(4, 9)), 94u);
  EXPECT_EQ(verifier_work(ladder(30, 3)), 322u);
}

TEST(VerifierWork, IsBounded) {
  const std::vector<Insn> code = ladder(20000, 0);
  EXPECT_LE(verifier_work(code), 16 * code.size());
  const Insn turn[] = {make_insn(kJmp | kJa, 0, 0, -1, 0)};
  EXPECT_LE(verifier_work(turn), 16u);
  EXPECT_EQ(verifier_work({}), 0u);
}

}  // namespace
}  // namespace epass::bpf
