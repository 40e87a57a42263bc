// The text of every instruction form.

#include <gtest/gtest.h>

#include "bpf/disassemble.h"

namespace epass::bpf {
namespace {

std::string text(uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm) {
  const Insn insns[] = {make_insn(code, dst, src, off, imm), {}};
  return disassemble(insns, 0);
}

TEST(BpfDisassemble, Arithmetic) {
  EXPECT_EQ(text(kAlu64 | kAdd | kX, 1, 2, 0, 0), "r1 += r2");
  EXPECT_EQ(text(kAlu | kAdd | kK, 1, 0, 0, -5), "w1 += -5");
  EXPECT_EQ(text(kAlu64 | kArsh | kK, 1, 0, 0, 3), "r1 s>>= 3");
  EXPECT_EQ(text(kAlu64 | kDiv | kX, 1, 2, 1, 0), "r1 s/= r2");
  EXPECT_EQ(text(kAlu | kMod | kX, 1, 2, 0, 0), "w1 %= w2");
  EXPECT_EQ(text(kAlu64 | kNeg, 1, 0, 0, 0), "r1 = -r1");
  EXPECT_EQ(text(kAlu | kMov | kX, 3, 3, 0, 0), "w3 = w3");
  EXPECT_EQ(text(kAlu64 | kMov | kX, 3, 4, 8, 0), "r3 = (s8)r4");
  EXPECT_EQ(text(kAlu64 | kMov | kX, 3, 4, 1, 1 << 16), "r3 = addr_space_cast(r4, 1, 0)");
  EXPECT_EQ(text(kAlu | kEnd | kX, 2, 0, 0, 16), "r2 = be16 r2");
  EXPECT_EQ(text(kAlu | kEnd, 2, 0, 0, 32), "r2 = le32 r2");
  EXPECT_EQ(text(kAlu64 | kEnd, 2, 0, 0, 64), "r2 = bswap64 r2");
}

TEST(BpfDisassemble, Memory) {
  EXPECT_EQ(text(kLdx | kMem | kW, 1, 2, 4, 0), "r1 = *(u32 *)(r2 + 4)");
  EXPECT_EQ(text(kLdx | kMemsx | kH, 1, 2, -4, 0), "r1 = *(s16 *)(r2 - 4)");
  EXPECT_EQ(text(kSt | kMem | kB, 10, 0, -32768, 7), "*(u8 *)(r10 - 32768) = 7");
  EXPECT_EQ(text(kStx | kMem | kDw, 10, 6, -8, 0), "*(u64 *)(r10 - 8) = r6");
  EXPECT_EQ(text(kLd | kAbs | kH, 0, 0, 0, 12), "r0 = *(u16 *)skb[12]");
  EXPECT_EQ(text(kLd | kInd | kB, 0, 3, 0, 2), "r0 = *(u8 *)skb[r3 + 2]");
}

TEST(BpfDisassemble, Atomics) {
  EXPECT_EQ(text(kStx | kAtomic | kDw, 1, 2, 8, kAdd), "lock *(u64 *)(r1 + 8) += r2");
  EXPECT_EQ(text(kStx | kAtomic | kW, 1, 2, 8, int(kXor) | kFetch),
            "w2 = atomic_fetch_xor((u32 *)(r1 + 8), w2)");
  EXPECT_EQ(text(kStx | kAtomic | kDw, 1, 2, 0, kXchg), "r2 = xchg_64(r1 + 0, r2)");
  EXPECT_EQ(text(kStx | kAtomic | kW, 1, 2, 0, kCmpxchg), "w0 = cmpxchg_32(r1 + 0, w0, w2)");
  EXPECT_EQ(text(kStx | kAtomic | kDw, 1, 2, 0, kLoadAcq), "r1 = load_acquire((u64 *)(r2 + 0))");
  EXPECT_EQ(text(kStx | kAtomic | kDw, 1, 2, 0, kStoreRel), "store_release((u64 *)(r1 + 0), r2)");
}

TEST(BpfDisassemble, Jumps) {
  EXPECT_EQ(text(kJmp | kJsgt | kK, 1, 0, 3, -1), "if r1 s> -1 goto pc+3");
  EXPECT_EQ(text(kJmp32 | kJset | kX, 1, 2, -3, 0), "if w1 & w2 goto pc-3");
  EXPECT_EQ(text(kCodeGotol, 0, 0, 0, 70000), "gotol pc+70000");
  EXPECT_EQ(text(kCodeMayGoto, 0, 0, 2, 0), "may_goto pc+2");
  EXPECT_EQ(text(kCodeGotox, 3, 0, 0, 0), "gotox r3");
  EXPECT_EQ(text(kCodeExit, 0, 0, 0, 0), "exit");
  const Insn ja[] = {make_insn(kCodeJa, 0, 0, 5, 0)};
  EXPECT_EQ(disassemble(ja, 0, nullptr, "b7"), "goto b7");
}

TEST(BpfDisassemble, CallsAndSymbols) {
  EXPECT_EQ(text(kCodeCall, 0, 0, 0, 1), "call bpf_map_lookup_elem#1");
  EXPECT_EQ(text(kCodeCall, 0, 0, 0, 99999), "call helper#99999");
  EXPECT_EQ(text(kCodeCall, 0, kLocalCall, 0, -3), "call pc-3");
  const Insn map[] = {make_insn(kCodeLdImm64, 1, kMapFd, 0, 0), {}};
  Symbol symbol{.kind = Symbol::Kind::kMap, .name = "values"};
  EXPECT_EQ(disassemble(map, 0, &symbol), "r1 = map values ll");
  const Insn data[] = {make_insn(kCodeLdImm64, 1, 0, 0, 16), {}};
  Symbol section{.kind = Symbol::Kind::kData, .name = ".rodata"};
  EXPECT_EQ(disassemble(data, 0, &section), "r1 = data .rodata+16 ll");
  const Insn number[] = {make_insn(kCodeLdImm64, 1, 0, 0, -1), make_insn(0, 0, 0, 0, 1)};
  EXPECT_EQ(disassemble(number, 0), "r1 = 0x1ffffffff ll");
  EXPECT_EQ(disassemble(std::span(number, 1), 0), ".8byte 0xffffffff00000118");
}

TEST(BpfDisassemble, UnknownIsShownAsItsBytes) {
  EXPECT_EQ(text(0xff, 0, 0, 0, 0), ".8byte 0x00000000000000ff");
  for (int code = 0; code < 256; ++code)
    for (int32_t imm : {0, 1, 16, 0xf1, -1}) EXPECT_FALSE(text(uint8_t(code), 15, 15, -1, imm).empty());
}

}  // namespace
}  // namespace epass::bpf
