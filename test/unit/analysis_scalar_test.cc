// What is known of numbers: on random ones it always contains what instructions make, and tests never
// exclude what takes their edge; by hand, how exact it is.

#include <gtest/gtest.h>

#include <random>

#include "analysis/scalar.h"
#include "ir/eval.h"

namespace epass {
namespace {

constexpr Opcode kBinary[] = {Opcode::Add,  Opcode::Sub,  Opcode::Mul, Opcode::UDiv, Opcode::SDiv,
                              Opcode::UMod, Opcode::SMod, Opcode::And, Opcode::Or,   Opcode::Xor,
                              Opcode::Shl,  Opcode::LShr, Opcode::AShr};
constexpr Opcode kUnary[] = {Opcode::Copy,   Opcode::Neg,  Opcode::ZExt32,  Opcode::SExt8,   Opcode::SExt16,
                             Opcode::SExt32, Opcode::Le16, Opcode::Le32,    Opcode::Le64,    Opcode::Be16,
                             Opcode::Be32,   Opcode::Be64, Opcode::BSwap16, Opcode::BSwap32, Opcode::BSwap64};
constexpr Opcode kTests[] = {Opcode::JumpEq,  Opcode::JumpNe,  Opcode::JumpGt,  Opcode::JumpGe,
                             Opcode::JumpLt,  Opcode::JumpLe,  Opcode::JumpSgt, Opcode::JumpSge,
                             Opcode::JumpSlt, Opcode::JumpSle, Opcode::JumpSet};
constexpr Width kWidths[] = {Width::k32, Width::k64};

// A few numbers, and what is known of one that may be any of them.
struct Sample {
  std::vector<uint64_t> members = {};
  Scalar known = Scalar::none();

  void add(uint64_t x) {
    members.push_back(x);
    known = join(known, Scalar::constant(x));
  }
};

class Random {
 public:
  uint64_t bits() { return engine_(); }
  uint64_t below(uint64_t n) { return engine_() % n; }

  // Around the borders of both widths, small, or anything.
  uint64_t number() {
    constexpr uint64_t kBorders[] = {0, uint64_t{1} << 31, uint64_t{1} << 32, uint64_t{1} << 63, UINT32_MAX};
    switch (below(4)) {
      case 0: return kBorders[below(std::size(kBorders))] + below(7) - 3;
      case 1: return below(70);
      case 2: return bits() >> below(64);
      default: return uint64_t(int64_t(bits()) >> below(64));
    }
  }
  Sample sample() {
    Sample s;
    const uint64_t base = number(), kind = below(4), spread = uint64_t{1} << below(20), bit = below(64);
    for (uint64_t n = 1 + below(4); n > 0; --n)
      s.add(kind == 0   ? number()
            : kind == 1 ? base
            : kind == 2 ? base + below(spread)
                        : base ^ below(4) << bit);
    // More than the members say: bounds or bits of others.
    if (below(3) == 0) s.known = join(s.known, Scalar::constant(number()));
    if (below(8) == 0) s.known = widen(s.known, join(s.known, Scalar::constant(number())));
    if (below(6) == 0) s.known = meet(s.known, Scalar{});
    return s;
  }

 private:
  std::mt19937_64 engine_{20};
};

std::string text(const Scalar& s) {
  char line[400];
  std::snprintf(line, sizeof line, "bits %llx/%llx u [%llx %llx] s [%lld %lld] 32: %x/%x u [%x %x] s [%d %d]",
                static_cast<unsigned long long>(s.word.value), static_cast<unsigned long long>(s.word.mask),
                static_cast<unsigned long long>(s.word.umin), static_cast<unsigned long long>(s.word.umax),
                static_cast<long long>(s.word.smin), static_cast<long long>(s.word.smax), s.half.value,
                s.half.mask, s.half.umin, s.half.umax, s.half.smin, s.half.smax);
  return line;
}

constexpr int kRounds = 20000;

TEST(AnalysisScalar, ContainsWhatInstructionsMake) {
  Random random;
  for (int round = 0; round < kRounds; ++round) {
    const Sample a = random.sample(), b = random.sample();
    for (Width width : kWidths) {
      for (Opcode op : kBinary) {
        const Scalar r = compute(op, width, a.known, b.known);
        for (uint64_t x : a.members)
          for (uint64_t y : b.members)
            ASSERT_TRUE(r.contains(eval_binary(op, width, x, y)))
                << info(op).mnemonic << int(width) << std::hex << " " << x << " " << y << "\n"
                << text(a.known) << "\n"
                << text(b.known) << "\n"
                << text(r);
      }
      for (Opcode op : kUnary) {
        const Scalar r = compute(op, width, a.known);
        for (uint64_t x : a.members)
          ASSERT_TRUE(r.contains(eval_unary(op, width, x)))
              << info(op).mnemonic << int(width) << std::hex << " " << x << "\n"
              << text(a.known) << text(r);
      }
    }
  }
}

TEST(AnalysisScalar, TestsNeverExcludeWhatTakesTheirEdge) {
  Random random;
  uint64_t decided = 0;
  for (int round = 0; round < kRounds; ++round) {
    const Sample a = random.sample(), b = random.sample();
    for (Width width : kWidths) {
      for (Opcode op : kTests) {
        const auto way = decide(op, width, a.known, b.known);
        decided += way.has_value();
        Scalar left[] = {a.known, a.known}, right[] = {b.known, b.known};
        for (const bool holds : {false, true}) assume(op, width, holds, left[holds], right[holds]);
        for (uint64_t x : a.members) {
          for (uint64_t y : b.members) {
            const bool holds = eval_condition(op, width, x, y);
            ASSERT_TRUE(left[holds].contains(x) && right[holds].contains(y) && (!way || *way == holds))
                << info(op).mnemonic << int(width) << std::hex << " " << x << " " << y << "\n"
                << text(a.known) << "\n"
                << text(b.known) << "\n"
                << text(left[holds]);
          }
        }
      }
    }
  }
  EXPECT_GT(decided, uint64_t{kRounds});
}

TEST(AnalysisScalar, JoinMeetAndWidenKeepTheirMembers) {
  Random random;
  for (int round = 0; round < kRounds; ++round) {
    Sample a = random.sample();
    const Sample b = random.sample();
    const Scalar both = join(a.known, b.known), wide = widen(a.known, both);
    for (uint64_t x : a.members) {
      ASSERT_TRUE(both.contains(x) && wide.contains(x)) << text(wide);
      ASSERT_EQ(meet(a.known, b.known).contains(x), a.known.contains(x) && b.known.contains(x));
    }
    for (uint64_t x : b.members) ASSERT_TRUE(both.contains(x) && wide.contains(x)) << text(wide);
  }
}

// Widening again and again comes to an end soon.
TEST(AnalysisScalar, WideningEnds) {
  Scalar s = Scalar::constant(0);
  int steps = 0;
  for (; steps < 20; ++steps) {
    const Scalar next = widen(s, join(s, compute(Opcode::Add, Width::k64, s, Scalar::constant(4))));
    if (next == s) break;
    s = next;
  }
  EXPECT_LT(steps, 4);
  EXPECT_EQ(s.word.mask & 3, 0u) << "multiples of four stay such";
}

void expect_range(const Scalar& s, uint64_t least, uint64_t most) {
  EXPECT_EQ(s.word.umin, least) << text(s);
  EXPECT_EQ(s.word.umax, most) << text(s);
}

TEST(AnalysisScalar, ArithmeticIsExact) {
  const Scalar any, byte = Scalar::loaded(MemSize::kU8), low = Scalar::loaded(MemSize::kU32);
  auto k64 = [](Opcode op, const Scalar& a, uint64_t c) {
    return compute(op, Width::k64, a, Scalar::constant(c));
  };
  auto k32 = [](Opcode op, const Scalar& a, uint64_t c) {
    return compute(op, Width::k32, a, Scalar::constant(c));
  };
  expect_range(k64(Opcode::And, any, 0xff), 0, 0xff);
  EXPECT_EQ(k64(Opcode::And, any, 0xf0).word.mask, 0xf0u);
  expect_range(k64(Opcode::Add, byte, 5), 5, 260);
  expect_range(k64(Opcode::Shl, byte, 8), 0, 0xff00);
  EXPECT_EQ(k64(Opcode::Shl, byte, 8).word.mask, 0xff00u);
  expect_range(k64(Opcode::LShr, any, 60), 0, 15);
  expect_range(k64(Opcode::LShr, byte, 4), 0, 15);
  expect_range(k32(Opcode::Add, any, 1), 0, UINT32_MAX);
  expect_range(k32(Opcode::Add, byte, 1), 1, 256);
  expect_range(k64(Opcode::Mul, byte, 3), 0, 765);
  expect_range(k64(Opcode::UMod, any, 10), 0, 9);
  expect_range(k64(Opcode::UDiv, byte, 10), 0, 25);
  expect_range(k64(Opcode::Or, byte, 0x100), 0x100, 0x1ff);
  expect_range(compute(Opcode::Shl, Width::k64, Scalar::constant(1), k64(Opcode::And, any, 3)), 1, 8);
  EXPECT_EQ(k64(Opcode::Sub, byte, 5).word.smin, -5);
  EXPECT_EQ(k64(Opcode::Sub, byte, 5).word.smax, 250);
  EXPECT_EQ(k64(Opcode::Sub, byte, 5).half.smin, -5);
  EXPECT_EQ(k64(Opcode::SDiv, k64(Opcode::Sub, byte, 20), 5).word.smin, -4);
  EXPECT_EQ(k64(Opcode::SMod, any, 7).word.smax, 6);
  EXPECT_EQ(k64(Opcode::AShr, k64(Opcode::Shl, low, 32), 32).word.smin, INT32_MIN);
  EXPECT_EQ(k64(Opcode::Xor, Scalar::constant(6), 3).constant(), 5u);
}

TEST(AnalysisScalar, ExtensionsAreExact) {
  const Scalar any, byte = Scalar::loaded(MemSize::kU8);
  expect_range(compute(Opcode::ZExt32, Width::k64, any), 0, UINT32_MAX);
  expect_range(compute(Opcode::Be16, Width::k64, any), 0, 0xffff);
  EXPECT_EQ(compute(Opcode::Be16, Width::k64, byte).word.mask, 0xff00u);
  EXPECT_EQ(compute(Opcode::SExt8, Width::k64, any).word.smin, -128);
  EXPECT_EQ(compute(Opcode::SExt8, Width::k64, any).word.smax, 127);
  expect_range(compute(Opcode::SExt16, Width::k64, byte), 0, 255);
  EXPECT_EQ(compute(Opcode::SExt32, Width::k64, Scalar::loaded(MemSize::kS16)).word.smin, -0x8000);
  EXPECT_EQ(Scalar::loaded(MemSize::kS8).half.smax, 127);
  expect_range(Scalar::up_to(9), 0, 9);
}

TEST(AnalysisScalar, TestsAreExact) {
  const Scalar ten = Scalar::constant(10);
  auto assumed = [&](Opcode op, Width width, bool holds) {
    Scalar x, y = ten;
    assume(op, width, holds, x, y);
    return x;
  };
  expect_range(assumed(Opcode::JumpGt, Width::k64, true), 11, UINT64_MAX);
  expect_range(assumed(Opcode::JumpGt, Width::k64, false), 0, 10);
  EXPECT_EQ(assumed(Opcode::JumpLt, Width::k32, true).half.umax, 9u);
  EXPECT_EQ(assumed(Opcode::JumpLt, Width::k32, true).word.umax >> 32, UINT32_MAX);
  EXPECT_EQ(assumed(Opcode::JumpSge, Width::k64, true).word.smin, 10);
  expect_range(assumed(Opcode::JumpSge, Width::k64, true), 10, INT64_MAX);
  EXPECT_EQ(assumed(Opcode::JumpEq, Width::k64, true).constant(), 10u);
  EXPECT_EQ(assumed(Opcode::JumpSet, Width::k64, false).word.mask & 10, 0u);
  Scalar low = Scalar::up_to(1), one = Scalar::constant(1);
  assume(Opcode::JumpNe, Width::k64, true, low, one);
  EXPECT_EQ(low.constant(), 0u);
  EXPECT_EQ(decide(Opcode::JumpGt, Width::k64, Scalar::up_to(9), ten), false);
  EXPECT_EQ(decide(Opcode::JumpSlt, Width::k64, Scalar::up_to(9), Scalar::constant(uint64_t(-1))), false);
  EXPECT_EQ(decide(Opcode::JumpGe, Width::k64, Scalar{}, Scalar::constant(0)), true);
  EXPECT_EQ(decide(Opcode::JumpSet, Width::k32, Scalar::up_to(7), Scalar::constant(8)), false);
  EXPECT_EQ(decide(Opcode::JumpGt, Width::k64, Scalar::up_to(10), Scalar::constant(9)), std::nullopt);
}

}  // namespace
}  // namespace epass
