// What instructions compute at the edges: widths, shift amounts, division, byte order. Figures from the ISA
// (RFC 9669).

#include <gtest/gtest.h>

#include "ir/eval.h"

namespace epass {
namespace {

constexpr uint64_t kMin64 = 0x8000000000000000, kAll = ~uint64_t{0};

TEST(IrEval, Binary) {
  const struct {
    Opcode op;
    Width width;
    uint64_t x, y, result;
  } cases[] = {
      {Opcode::Add, Width::k64, kAll, 2, 1},
      {Opcode::Add, Width::k32, 0xffffffff, 2, 1},
      {Opcode::Sub, Width::k32, 0, 1, 0xffffffff},
      {Opcode::Mul, Width::k32, 0x1ffffffff, 0x2ffffffff, 1},
      {Opcode::UDiv, Width::k64, 7, 0, 0},
      {Opcode::UDiv, Width::k32, 7, 0x100000000, 0},
      {Opcode::UMod, Width::k64, 7, 0, 7},
      {Opcode::UMod, Width::k32, 0x500000007, 0, 7},
      {Opcode::SDiv, Width::k64, kMin64, kAll, kMin64},
      {Opcode::SDiv, Width::k64, uint64_t(-7), 2, uint64_t(-3)},
      {Opcode::SDiv, Width::k32, 0x80000000, 0xffffffff, 0x80000000},
      {Opcode::SDiv, Width::k32, uint64_t(-7), 2, 0xfffffffd},
      {Opcode::SDiv, Width::k64, 5, 0, 0},
      {Opcode::SMod, Width::k64, kMin64, kAll, 0},
      {Opcode::SMod, Width::k64, uint64_t(-7), 2, kAll},
      {Opcode::SMod, Width::k32, 0xfffffff9, 0, 0xfffffff9},
      {Opcode::Shl, Width::k64, 1, 64, 1},
      {Opcode::Shl, Width::k64, 1, 65, 2},
      {Opcode::Shl, Width::k32, 1, 33, 2},
      {Opcode::LShr, Width::k32, 0xff00000000, 4, 0},
      {Opcode::LShr, Width::k64, kMin64, 63, 1},
      {Opcode::AShr, Width::k64, kMin64, 63, kAll},
      {Opcode::AShr, Width::k32, 0x80000000, 31, 0xffffffff},
      {Opcode::AShr, Width::k32, 0x7fffffff, 32, 0x7fffffff},
      {Opcode::Xor, Width::k32, kAll, 0, 0xffffffff},
  };
  for (const auto& c : cases)
    EXPECT_EQ(eval_binary(c.op, c.width, c.x, c.y), c.result)
        << info(c.op).mnemonic << int(c.width) << " " << c.x;
}

TEST(IrEval, Unary) {
  constexpr uint64_t kBytes = 0x1122334455667788;
  const struct {
    Opcode op;
    Width width;
    uint64_t x, result;
  } cases[] = {
      {Opcode::Neg, Width::k64, 1, kAll},
      {Opcode::Neg, Width::k32, 1, 0xffffffff},
      {Opcode::Neg, Width::k64, kMin64, kMin64},
      {Opcode::ZExt32, Width::k64, kAll, 0xffffffff},
      {Opcode::SExt8, Width::k64, 0x80, uint64_t(-128)},
      {Opcode::SExt8, Width::k32, 0x80, 0xffffff80},
      {Opcode::SExt16, Width::k32, 0x18000, 0xffff8000},
      {Opcode::SExt32, Width::k64, 0x80000000, 0xffffffff80000000},
      {Opcode::Le16, Width::k64, kBytes, 0x7788},
      {Opcode::Le32, Width::k64, kBytes, 0x55667788},
      {Opcode::Le64, Width::k64, kBytes, kBytes},
      {Opcode::Be16, Width::k64, kBytes, 0x8877},
      {Opcode::Be32, Width::k64, kBytes, 0x88776655},
      {Opcode::Be64, Width::k64, kBytes, 0x8877665544332211},
      {Opcode::BSwap16, Width::k64, kBytes, 0x8877},
      {Opcode::BSwap64, Width::k64, kBytes, 0x8877665544332211},
  };
  for (const auto& c : cases)
    EXPECT_EQ(eval_unary(c.op, c.width, c.x), c.result) << info(c.op).mnemonic << int(c.width);
}

TEST(IrEval, Conditions) {
  EXPECT_TRUE(eval_condition(Opcode::JumpGt, Width::k64, kAll, 0));
  EXPECT_FALSE(eval_condition(Opcode::JumpSgt, Width::k64, kAll, 0));
  EXPECT_TRUE(eval_condition(Opcode::JumpSlt, Width::k32, 0x80000000, 0));
  EXPECT_FALSE(eval_condition(Opcode::JumpSlt, Width::k64, 0x80000000, 0));
  EXPECT_TRUE(eval_condition(Opcode::JumpEq, Width::k32, 0x100000005, 5));
  EXPECT_FALSE(eval_condition(Opcode::JumpEq, Width::k64, 0x100000005, 5));
  EXPECT_FALSE(eval_condition(Opcode::JumpSet, Width::k32, 0xf00000000, 0xf00000000));
  EXPECT_TRUE(eval_condition(Opcode::JumpSet, Width::k64, 0xf00000000, 0xf00000000));
}

// Negating and swapping keep the meaning, on numbers around all borders.
TEST(IrEval, NegatedAndSwappedConditionsAgree) {
  const uint64_t numbers[] = {0,          1,           2,          0x7fffffff, 0x80000000,
                              0xffffffff, 0x100000000, kMin64 - 1, kMin64,     kAll};
  for (int n = int(Opcode::JumpEq); n <= int(Opcode::JumpSet); ++n) {
    const Opcode op = Opcode(n);
    for (Width w : {Width::k32, Width::k64})
      for (uint64_t x : numbers)
        for (uint64_t y : numbers) {
          EXPECT_EQ(eval_condition(op, w, x, y), eval_condition(swapped(op), w, y, x)) << info(op).mnemonic;
          if (auto other = negated(op)) {
            EXPECT_NE(eval_condition(op, w, x, y), eval_condition(*other, w, x, y)) << info(op).mnemonic;
          }
        }
  }
}

}  // namespace
}  // namespace epass
