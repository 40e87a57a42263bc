// Sizes that the kernel's JIT for x86-64 really has: read from `bpftool prog dump jited`.

#include <gtest/gtest.h>

#include "bpf/x86_size.h"

namespace epass::bpf {
namespace {

constexpr Insn kLeave = make_insn(kCodeExit, 0, 0, 0, 0);

uint32_t bytes_of(Insn insn) {
  const Insn code[] = {insn, kLeave};
  return x86_lengths(code, {})[0];
}

TEST(X86Size, WholeFunction) {
  const Insn code[] = {make_insn(kAlu64 | kMov, 0, 0, 0, 1), kLeave};
  EXPECT_EQ(x86_size(code, {}), 19u);  // 12, mov eax,1, leave, ret
}

TEST(X86Size, SavedRegistersAndStack) {
  const Insn code[] = {make_insn(kAlu64 | kMov, 6, 0, 0, 0), make_insn(kAlu64 | kMov, 7, 0, 0, 0),
                       make_insn(kSt | kMem | kDw, 10, 0, -8, 0), kLeave};
  // sub rsp; push and pop of rbx and r13; xor ebx,ebx; xor r13d,r13d; mov qword [rbp-8],0; leave, ret
  EXPECT_EQ(x86_size(code, {}), 12u + 7 + 3 + 2 + 3 + 8 + 3 + 2);
}

TEST(X86Size, Registers) {
  EXPECT_EQ(bytes_of(make_insn(kAlu64 | kMov | kX, 1, 6, 0, 0)), 3u);
  EXPECT_EQ(bytes_of(make_insn(kAlu | kMov | kX, 1, 6, 0, 0)), 2u);
  EXPECT_EQ(bytes_of(make_insn(kAlu | kMov | kX, 1, 7, 0, 0)), 3u);
  EXPECT_EQ(bytes_of(make_insn(kLdx | kMem | kW, 1, 6, 8, 0)), 3u);
  EXPECT_EQ(bytes_of(make_insn(kLdx | kMem | kW, 5, 6, 8, 0)), 4u);
  EXPECT_EQ(bytes_of(make_insn(kStx | kMem | kB, 6, 0, 0, 0)), 3u);
  EXPECT_EQ(bytes_of(make_insn(kStx | kMem | kB, 6, 1, 0, 0)), 4u);  // dil needs a prefix
}

TEST(X86Size, Immediates) {
  EXPECT_EQ(bytes_of(make_insn(kAlu64 | kMov, 1, 0, 0, 0)), 2u);
  EXPECT_EQ(bytes_of(make_insn(kAlu64 | kMov, 1, 0, 0, 7)), 5u);
  EXPECT_EQ(bytes_of(make_insn(kAlu64 | kMov, 1, 0, 0, -1)), 7u);
  EXPECT_EQ(bytes_of(make_insn(kAlu64 | kAdd, 1, 0, 0, 7)), 4u);
  EXPECT_EQ(bytes_of(make_insn(kAlu64 | kAdd, 1, 0, 0, 700)), 7u);
  EXPECT_EQ(bytes_of(make_insn(kAlu64 | kAdd, 0, 0, 0, 700)), 6u);
  EXPECT_EQ(bytes_of(make_insn(kSt | kMem | kDw, 1, 0, 0, 0)), 8u);
  EXPECT_EQ(bytes_of(make_insn(kSt | kMem | kDw, 1, 0, 200, 0)), 11u);
  EXPECT_EQ(bytes_of(make_insn(kSt | kMem | kB, 1, 0, 0, 0)), 4u);
}

TEST(X86Size, AddressesTakeTenBytes) {
  const Insn map[] = {make_insn(kCodeLdImm64, 1, kMapFd, 0, 4), {}, kLeave};
  const Insn small[] = {make_insn(kCodeLdImm64, 1, 0, 0, 4), {}, kLeave};
  const Attachment symbol[] = {{.insn = 0, .symbol = SymbolId{0}}};
  EXPECT_EQ(x86_lengths(map, {})[0], 10u);
  EXPECT_EQ(x86_lengths(small, {})[0], 5u);
  EXPECT_EQ(x86_lengths(small, symbol)[0], 10u);
}

TEST(X86Size, JumpsAreAsShortAsTheirDistanceAllows) {
  std::vector<Insn> code(42, make_insn(kAlu64 | kMov | kX, 1, 2, 0, 0));  // 3 bytes each
  code[0] = make_insn(kJmp | kJeq, 1, 0, 40, 0);
  code.back() = kLeave;
  EXPECT_EQ(x86_lengths(code, {})[0], 3u + 2u);
  code.insert(code.begin() + 1, 2, code[1]);
  code[0].off = 42;
  EXPECT_EQ(x86_lengths(code, {})[0], 3u + 6u);
  code[0] = make_insn(kCodeJa, 0, 0, 0, 0);  // to the next instruction: nothing
  EXPECT_EQ(x86_lengths(code, {})[0], 0u);
}

TEST(X86Size, OnlyTheFirstExitReturns) {
  const Insn code[] = {make_insn(kJmp | kJeq, 1, 0, 1, 0), kLeave, kLeave};
  const auto lengths = x86_lengths(code, {});
  EXPECT_EQ(lengths[1], 2u);  // leave, ret
  EXPECT_EQ(lengths[2], 2u);  // a jump there
}

}  // namespace
}  // namespace epass::bpf
