// Accesses that are known to stay in the frame: which ones are found, and that they do stay there.

#include <gtest/gtest.h>

#include <random>

#include "assembled.h"
#include "vm/frame_accesses.h"
#include "vm/machine.h"
#include "vm/op_facts.h"

namespace epass::vm {
namespace {

// The records of the accesses.
std::string found(const std::string& text) {
  const bpf::Program program = assembled(text);
  const Executable executable(program);
  const std::vector<uint8_t> inside = accesses_in_frame(executable, 0);
  std::string out;
  for (size_t i = 0; i < inside.size(); ++i)
    if (inside[i]) out += (out.empty() ? "" : " ") + std::to_string(i);
  return out;
}

std::string fill(const std::string& loop) { return "r2 = 0\nr3 = 0\n" + loop + "r0 = 0\nexit"; }

TEST(VmFrameAccesses, WhatIsComparedIsBounded) {
  const std::string body = "next:\nr4 = r10\nr4 += -40\nr4 += r2\n*(u32 *)(r4 + 0) = 1\nr2 += 4\n";
  EXPECT_EQ(found(fill(body + "if r2 != 40 goto next\n")), "5");
  EXPECT_EQ(found(fill(body + "if r2 < 40 goto next\n")), "5");
  EXPECT_EQ(found(fill(body + "if r2 s<= 36 goto next\n")), "5");
  EXPECT_EQ(found(fill(body + "if w2 < 40 goto next\n")), "5");
  // One round too many; never equal; nothing ends it.
  EXPECT_EQ(found(fill(body + "if r2 != 44 goto next\n")), "");
  EXPECT_EQ(found(fill(body + "if r2 < 41 goto next\n")), "");
  EXPECT_EQ(found(fill(body + "if r2 != 38 goto next\n")), "");
  EXPECT_EQ(found(fill(body + "if r2 > 3 goto next\n")), "");
  EXPECT_EQ(found(fill(body + "goto next\n")), "");
}

TEST(VmFrameAccesses, TheFrameEndsToTheByte) {
  const std::string body = "next:\nr4 = r10\nr4 -= 512\nr4 += r2\nr0 = *(u64 *)(r4 ";
  const std::string end = ")\nr2 += 8\nif r2 != 512 goto next\n";
  EXPECT_EQ(found(fill(body + "+ 0" + end)), "5");
  EXPECT_EQ(found(fill(body + "+ 1" + end)), "");
  EXPECT_EQ(found(fill(body + "- 1" + end)), "");
  EXPECT_EQ(
      found(fill("next:\nr4 = r10\nr4 += r2\nr0 = *(u64 *)(r4 - 8)\nr2 -= 8\nif r2 s> -512 goto next\n")),
      "4");
  EXPECT_EQ(
      found(fill("next:\nr4 = r10\nr4 += r2\nr0 = *(u64 *)(r4 - 8)\nr2 -= 8\nif r2 s>= -512 goto next\n")),
      "");
}

TEST(VmFrameAccesses, LoopsThatAreEnteredInTheMiddle) {
  EXPECT_EQ(
      found("r2 = 0\ngoto body\nstep:\nr2 += 4\nif r2 == 40 goto out\nbody:\nr5 = r10\nr5 += -44\nr5 += "
            "r2\nr4 = *(u32 *)(r5 + 4)\nif w4 < 3 goto step\n*(u32 *)(r5 + 0) = r4\ngoto step\nout:\nr0 = "
            "0\nexit"),
      "7 9");
}

TEST(VmFrameAccesses, WhatGrowsWithThemIsBounded) {
  // r4 is compared nowhere: it grows by 24 in each of six rounds, in each of six rounds from 4 more on.
  const std::string loops =
      "r3 = r10\nr3 += -144\nr5 = 0\nouter:\nr4 = r3\nr2 = 0\ninner:\nr0 = *(u32 *)(r4 + 0)\nr4 += 24\nr2 += "
      "1\nif r2 != 6 goto inner\nr3 += 4\nr5 += 1\n";
  EXPECT_EQ(found(loops + "if r5 != 6 goto outer\nexit"), "5");
  EXPECT_EQ(found(loops + "if r5 != 7 goto outer\nexit"), "");
  // What counts the rounds is not counted in all of them, or is set anew.
  EXPECT_EQ(found("r4 = r10\nr4 += -40\nr2 = 0\nnext:\n*(u8 *)(r4 + 0) = 1\nr4 += 1\nif r1 == 0 goto "
                  "skip\nr2 += 1\nskip:\nif r2 < 20 goto next\nr0 = 0\nexit"),
            "");
  EXPECT_EQ(
      found("r4 = r10\nr4 += -40\nr2 = 0\nnext:\n*(u8 *)(r4 + 0) = 1\nr4 += 1\nr2 += 1\nif r1 != 0 goto "
            "skip\nr2 = 0\nskip:\nif r2 < 20 goto next\nr0 = 0\nexit"),
      "");
  // It grows in an inner loop, more than once in a round.
  EXPECT_EQ(found("r4 = r10\nr4 += -40\nr2 = 0\nnext:\n*(u8 *)(r4 + 0) = 1\nr3 = r1\nagain:\nr4 += 1\nr3 -= "
                  "1\nif r3 != 0 goto again\nr2 += 1\nif r2 < 20 goto next\nr0 = 0\nexit"),
            "");
}

TEST(VmFrameAccesses, MasksAndSmallLoads) {
  const std::string to_frame = "r2 <<= 2\nr3 = r10\nr3 += -256\nr3 += r2\nr0 = *(u32 *)(r3 + 0)\nexit";
  EXPECT_EQ(found("r2 = *(u64 *)(r1 + 0)\nr2 &= 63\n" + to_frame), "6");
  EXPECT_EQ(found("r2 = *(u64 *)(r1 + 0)\nr2 &= 127\n" + to_frame), "");
  EXPECT_EQ(found("r2 = *(u8 *)(r1 + 0)\nr2 >>= 2\n" + to_frame), "6");
  EXPECT_EQ(found("r2 = *(u8 *)(r1 + 0)\nw2 >>= 1\n" + to_frame), "");
  // A call leaves nothing in r2.
  EXPECT_EQ(found("r2 = 1\ncall 1\n" + to_frame), "");
}

// Watches that what was found is true.
class Watch : public Host {
 public:
  explicit Watch(std::vector<uint8_t> inside) : inside_(std::move(inside)) {}
  uint64_t address_of(Machine&, uint32_t, uint8_t, uint64_t) override { return 0; }
  uint64_t call_helper(Machine& m, int32_t) override { return m.fail("none"); }
  uint64_t call_symbol(Machine& m, uint32_t) override { return m.fail("none"); }
  void before(uint32_t function, uint32_t insn, const uint64_t* r) override {
    if (function || !inside_[insn]) return;
    const Op& op = (*ops)[insn];
    const uint64_t to = r[is_store(op.code) ? op.dst : op.src] + uint64_t(int64_t(op.off));
    const uint64_t offset = to - (r[10] - uint64_t{bpf::kStackSize});
    ++seen;
    if (offset > uint64_t{bpf::kStackSize} - access_size(op)) wrong = insn + 1;
  }
  const std::vector<Op>* ops = nullptr;
  uint64_t seen = 0;
  uint32_t wrong = 0;

 private:
  std::vector<uint8_t> inside_;
};

// Loops in loops that move pointers into the frame, r3 and r4, and count in r2 and r5; some jump elsewhere.
class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}
  std::string program() {
    std::string text = "r0 = 0\nr2 = 0\nr3 = r10\nr3 += -200\nr4 = r10\nr4 += -80\nr5 = r1\n";
    for (int n = 3 + pick(5); n > 0; --n) text += statement(0);
    for (int n = 0; n < labels_; ++n)
      if (text.find("at" + std::to_string(n) + ":") == std::string::npos) text += label(n) + ":\n";
    return text + "exit";
  }

 private:
  int pick(int n) { return int(random_() % uint64_t(n)); }
  static std::string label(int n) { return "at" + std::to_string(n); }
  std::string number(int most) { return std::to_string(pick(most)); }
  std::string pointer() { return "r" + std::to_string(pick(9) ? 3 + pick(2) : 2 + pick(4)); }
  std::string counter() { return std::string(pick(5) ? "r" : "w") + (pick(2) ? "2" : "5"); }
  std::string compare() {
    static constexpr const char* kCompares[] = {"!=", "<",   "s<", "==",  "<=", ">",
                                                ">=", "s<=", "s>", "s>=", "&",  "!="};
    return counter() + " " + kCompares[pick(12)] + " " + std::to_string(pick(60) - 6);
  }
  std::string loop(int depth) {
    const std::string head = label(labels_++), count = counter();
    std::string text = pick(4) ? "r" + count.substr(1) + " = " + number(4) + "\n" : "";
    text += head + ":\n";
    for (int n = 1 + pick(3); n > 0; --n) text += statement(depth + 1);
    text += count + (pick(5) ? " += " : " -= ") + number(5) + "\n";
    if (pick(4) == 0) text += statement(depth + 1);
    return text + "if " + (pick(3) ? count + compare().substr(2) : compare()) + " goto " + head + "\n";
  }
  std::string statement(int depth) {
    switch (pick(depth < 3 ? 14 : 11)) {
      case 0:
      case 1: return "*(u32 *)(" + pointer() + " - " + number(40) + ") = r2\n";
      case 2: return "r0 = *(u16 *)(" + pointer() + " + " + number(40) + ")\n";
      case 3:
      case 4: return pointer() + (pick(4) ? " += " : " -= ") + number(9) + "\n";
      case 5: return pointer() + " = " + (pick(2) ? "r10" : pointer()) + "\n";
      case 6: return pointer() + " += r" + (pick(2) ? "2" : "5") + "\n";
      case 7: return counter() + (pick(2) ? " &= " : " <<= ") + number(30) + "\n";
      case 8: return "r" + std::to_string(2 + 3 * pick(2)) + " = *(u8 *)(" + pointer() + " - 4)\n";
      case 9: {
        const std::string skip = label(labels_++);
        return "if " + compare() + " goto " + skip + "\n" + statement(depth) + skip + ":\n";
      }
      case 10: return "if " + compare() + " goto " + label(pick(labels_++ + 1)) + "\n";
      default: return loop(depth);
    }
  }

  std::mt19937_64 random_;
  int labels_ = 0;
};

TEST(VmFrameAccesses, RandomProgramsStayWhereTheyAreSaidToStay) {
  uint64_t seen = 0;
  for (uint64_t seed = 0; seed < 5'000; ++seed) {
    const std::string text = Generator(seed).program();
    const bpf::Program program = assembled(text);
    const Executable executable(program);
    const std::vector<uint8_t> inside = accesses_in_frame(executable, 0);
    if (std::ranges::find(inside, uint8_t{1}) == inside.end()) continue;
    for (uint64_t argument : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}, 3 - seed}) {
      Watch watch(inside);
      watch.ops = &executable.ops();
      // Accesses outside the frame go on, so that more of the program is seen.
      Machine machine(executable,
                      {.outside = Outside::kForeign, .seed = seed, .budget = 3000, .observe = true}, &watch);
      (void)machine.run(0, {argument});
      ASSERT_EQ(watch.wrong, 0u) << "seed " << seed << " argument " << argument << "\n" << text;
      seen += watch.seen;
    }
  }
  EXPECT_GT(seen, 100'000u);
}

}  // namespace
}  // namespace epass::vm
