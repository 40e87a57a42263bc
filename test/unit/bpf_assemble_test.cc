// The assembler: every form of both dialects, labels, directives, listings, and what its errors say.

#include <gtest/gtest.h>

#include <cstring>

#include "bpf/assemble.h"
#include "bpf/disassemble.h"

namespace epass::bpf {
namespace {

std::vector<Insn> code(std::string_view text, std::optional<Dialect> dialect = {}) {
  auto assembly = assemble(text, dialect);
  if (!assembly) {
    ADD_FAILURE() << text << ": " << assembly.error().message;
    return {};
  }
  auto insns = flat_code(*assembly);
  if (!insns) {
    ADD_FAILURE() << text << ": " << insns.error().message;
    return {};
  }
  return *insns;
}

std::string error(std::string_view text, std::optional<Dialect> dialect = {}) {
  auto assembly = assemble(text, dialect);
  Error e;
  if (!assembly) {
    e = assembly.error();
  } else {
    auto insns = flat_code(*assembly);
    if (insns) return "none";
    e = insns.error();
  }
  return std::to_string(e.where.line) + ":" + std::to_string(e.where.column) + " " + e.code + ": " +
         e.message;
}

std::string line_of(Insn insn) {
  const Insn insns[] = {insn, {}};
  return disassemble(insns, 0);
}

TEST(BpfAssemble, LlvmForms) {
  const struct {
    const char* text;
    Insn insn;
  } cases[] = {
      {"r1 += r2", make_insn(kAlu64 | kAdd | kX, 1, 2, 0, 0)},
      {"w1 -= -5", make_insn(kAlu | kSub, 1, 0, 0, -5)},
      {"r1 s/= r2", make_insn(kAlu64 | kDiv | kX, 1, 2, 1, 0)},
      {"w1 s%= 7", make_insn(kAlu | kMod, 1, 0, 1, 7)},
      {"r1 s>>= 0x3", make_insn(kAlu64 | kArsh, 1, 0, 0, 3)},
      {"r1 = -r1", make_insn(kAlu64 | kNeg, 1, 0, 0, 0)},
      {"w1 = -0x5", make_insn(kAlu | kMov, 1, 0, 0, -5)},
      {"w1 = 0xffffffff", make_insn(kAlu | kMov, 1, 0, 0, -1)},
      {"r10=r1", make_insn(kAlu64 | kMov | kX, 10, 1, 0, 0)},
      {"r1 = w2", make_insn(kAlu | kMov | kX, 1, 2, 0, 0)},
      {"r1 = (s32)w2", make_insn(kAlu64 | kMov | kX, 1, 2, 32, 0)},
      {"w1 = (s8)w2", make_insn(kAlu | kMov | kX, 1, 2, 8, 0)},
      {"r1 = be16 r1", make_insn(kAlu | kEnd | kX, 1, 0, 0, 16)},
      {"r1 = le64 r1", make_insn(kAlu | kEnd, 1, 0, 0, 64)},
      {"r1 = bswap32 r1", make_insn(kAlu64 | kEnd, 1, 0, 0, 32)},
      {"r1 = addr_space_cast(r2, 0x1, 0x0)", make_insn(kAlu64 | kMov | kX, 1, 2, 1, 1 << 16)},
      {"r0 = *(u32 *)(r1 + 4)", make_insn(kLdx | kMem | kW, 0, 1, 4, 0)},
      {"r0 = *(u32 *)(r1 +4)", make_insn(kLdx | kMem | kW, 0, 1, 4, 0)},
      {"w0 = *(u8 *)(r1 - 0x8000)", make_insn(kLdx | kMem | kB, 0, 1, -32768, 0)},
      {"r0 = *(s16 *)(r1+0)", make_insn(kLdx | kMemsx | kH, 0, 1, 0, 0)},
      {"r0 = *(u16 *)skb[0x5]", make_insn(kLd | kAbs | kH, 0, 0, 0, 5)},
      {"r0 = *(u8 *)skb[r3 + 2]", make_insn(kLd | kInd | kB, 0, 3, 0, 2)},
      {"*(u32 *)(r10 - 8) = 7", make_insn(kSt | kMem | kW, 10, 0, -8, 7)},
      {"*(u64 *)(r10 - 8) = r7", make_insn(kStx | kMem | kDw, 10, 7, -8, 0)},
      {"*(u8 *)(r10 - 8) = w7", make_insn(kStx | kMem | kB, 10, 7, -8, 0)},
      {"lock *(u64 *)(r10 - 8) += r1", make_insn(kStx | kAtomic | kDw, 10, 1, -8, kAdd)},
      {"lock *(u32 *)(r10 - 8) ^= w1", make_insn(kStx | kAtomic | kW, 10, 1, -8, kXor)},
      {"r0 = atomic_fetch_add((u64 *)(r1 + 8), r0)", make_insn(kStx | kAtomic | kDw, 1, 0, 8, kFetch)},
      {"w2 = atomic_fetch_or((u32 *)(r1 + 8), w2)",
       make_insn(kStx | kAtomic | kW, 1, 2, 8, int(kOr) | kFetch)},
      {"r2 = atomic64_fetch_and((u64 *)(r1 +8), r2)",
       make_insn(kStx | kAtomic | kDw, 1, 2, 8, int(kAnd) | kFetch)},
      {"r2 = xchg_64(r1 + 0x0, r2)", make_insn(kStx | kAtomic | kDw, 1, 2, 0, kXchg)},
      {"w2 = xchg32_32(r1 + 0x0, w2)", make_insn(kStx | kAtomic | kW, 1, 2, 0, kXchg)},
      {"r0 = cmpxchg_64(r1 + 0x8, r0, r3)", make_insn(kStx | kAtomic | kDw, 1, 3, 8, kCmpxchg)},
      {"w0 = cmpxchg32_32(r1 + 0x8, w0, w3)", make_insn(kStx | kAtomic | kW, 1, 3, 8, kCmpxchg)},
      {"r0 = atomic64_cmpxchg((u64 *)(r1 +8), r0, r3)", make_insn(kStx | kAtomic | kDw, 1, 3, 8, kCmpxchg)},
      {"w1 = load_acquire((u8 *)(r2 + 0))", make_insn(kStx | kAtomic | kB, 1, 2, 0, kLoadAcq)},
      {"store_release((u64 *)(r1 + 0), r2)", make_insn(kStx | kAtomic | kDw, 1, 2, 0, kStoreRel)},
      {"if r1 s> 5 goto +3", make_insn(kJmp | kJsgt, 1, 0, 3, 5)},
      {"if w1 & w2 goto pc-3", make_insn(kJmp32 | kJset | kX, 1, 2, -3, 0)},
      {"if r1 != 0x0 goto -0x1 <LBB0_2+0x8>", make_insn(kJmp | kJne, 1, 0, -1, 0)},
      {"goto +0", make_insn(kCodeJa, 0, 0, 0, 0)},
      {"gotol +70000", make_insn(kCodeGotol, 0, 0, 0, 70000)},
      {"gotox r3", make_insn(kCodeGotox, 3, 0, 0, 0)},
      {"may_goto +2", make_insn(kCodeMayGoto, 0, 0, 2, 0)},
      {"callx r3", make_insn(kCodeCallx, 3, 0, 0, 0)},
      {"call 5", make_insn(kCodeCall, 0, 0, 0, 5)},
      {"call bpf_map_lookup_elem#1", make_insn(kCodeCall, 0, 0, 0, 1)},
      {"call bpf_ktime_get_ns", make_insn(kCodeCall, 0, 0, 0, 5)},
      {"call kfunc#77", make_insn(kCodeCall, 0, kKfuncCall, 0, 77)},
      {"call pc+3", make_insn(kCodeCall, 0, kLocalCall, 0, 3)},
      {"exit", make_insn(kCodeExit, 0, 0, 0, 0)},
  };
  for (const auto& c : cases) {
    // Those of the jumps that LLVM annotates come from a listing.
    const std::string text =
        std::string(c.text).ends_with('>') ? std::string("       0:\t") + c.text : c.text;
    const std::vector<Insn> insns = code(text, Dialect::kLlvm);
    ASSERT_EQ(insns.size(), 1u) << text;
    EXPECT_EQ(insns[0], c.insn) << text << " became " << line_of(insns[0]);
  }
}

TEST(BpfAssemble, UbpfForms) {
  const struct {
    const char* text;
    Insn insn;
  } cases[] = {
      {"add %r1, %r2", make_insn(kAlu64 | kAdd | kX, 1, 2, 0, 0)},
      {"add64 r1, -1", make_insn(kAlu64 | kAdd, 1, 0, 0, -1)},
      {"add32 r1, 0xffffffff", make_insn(kAlu | kAdd, 1, 0, 0, -1)},
      {"sdiv32 r1, r2", make_insn(kAlu | kDiv | kX, 1, 2, 1, 0)},
      {"smod r1, -2", make_insn(kAlu64 | kMod, 1, 0, 1, -2)},
      {"neg32 %r3", make_insn(kAlu | kNeg, 3, 0, 0, 0)},
      {"be16 r0", make_insn(kAlu | kEnd | kX, 0, 0, 0, 16)},
      {"le32 r0", make_insn(kAlu | kEnd, 0, 0, 0, 32)},
      {"swap64 r0", make_insn(kAlu64 | kEnd, 0, 0, 0, 64)},
      {"bswap16 r0", make_insn(kAlu64 | kEnd, 0, 0, 0, 16)},
      {"movsx832 %r0, %r1", make_insn(kAlu | kMov | kX, 0, 1, 8, 0)},
      {"movsx3264 %r0, %r1", make_insn(kAlu64 | kMov | kX, 0, 1, 32, 0)},
      {"ldxw r0, [r1+4]", make_insn(kLdx | kMem | kW, 0, 1, 4, 0)},
      {"ldxb %r0, [%r1-0x8]", make_insn(kLdx | kMem | kB, 0, 1, -8, 0)},
      {"ldxsh %r0, [%r1]", make_insn(kLdx | kMemsx | kH, 0, 1, 0, 0)},
      {"ldabsw 5", make_insn(kLd | kAbs | kW, 0, 0, 0, 5)},
      {"ldindb r3, 5", make_insn(kLd | kInd | kB, 0, 3, 0, 5)},
      {"stdw [r10-8], 0x12", make_insn(kSt | kMem | kDw, 10, 0, -8, 0x12)},
      {"stxh [r10-8], r2", make_insn(kStx | kMem | kH, 10, 2, -8, 0)},
      {"stxxadddw [r10-8], r2", make_insn(kStx | kAtomic | kDw, 10, 2, -8, kAdd)},
      {"lock add [%r10-8], %r1", make_insn(kStx | kAtomic | kDw, 10, 1, -8, kAdd)},
      {"lock fetch xor32 [%r10-4], %r3", make_insn(kStx | kAtomic | kW, 10, 3, -4, int(kXor) | kFetch)},
      {"lock xchg [%r10-8], %r1", make_insn(kStx | kAtomic | kDw, 10, 1, -8, kXchg)},
      {"lock cmpxchg32 [%r10-8], %r1", make_insn(kStx | kAtomic | kW, 10, 1, -8, kCmpxchg)},
      {"ja +2", make_insn(kCodeJa, 0, 0, 2, 0)},
      {"ja32 -1", make_insn(kCodeGotol, 0, 0, 0, -1)},
      {"jsle32 r1, -1, +3", make_insn(kJmp32 | kJsle, 1, 0, 3, -1)},
      {"jset %r1, %r2, +3", make_insn(kJmp | kJset | kX, 1, 2, 3, 0)},
      {"call 0x3", make_insn(kCodeCall, 0, 0, 0, 3)},
      {"call %r2", make_insn(kCodeCallx, 2, 0, 0, 0)},
      {"exit", make_insn(kCodeExit, 0, 0, 0, 0)},
  };
  for (const auto& c : cases) {
    const std::vector<Insn> insns = code(c.text, Dialect::kUbpf);
    ASSERT_EQ(insns.size(), 1u) << c.text;
    EXPECT_EQ(insns[0], c.insn) << c.text << " became " << line_of(insns[0]);
  }
}

TEST(BpfAssemble, WideConstants) {
  const std::vector<Insn> llvm = code("r1 = 0x1122334455667788 ll\nr2 = -1 ll\nr3 = map_fd#7 ll\n");
  ASSERT_EQ(llvm.size(), 6u);
  EXPECT_EQ(imm64(llvm[0], llvm[1]), 0x1122334455667788u);
  EXPECT_EQ(imm64(llvm[2], llvm[3]), UINT64_MAX);
  EXPECT_EQ(llvm[4], make_insn(kCodeLdImm64, 3, kMapFd, 0, 7));
  EXPECT_EQ(code("lddw r1, 0x1122334455667788", Dialect::kUbpf)[1].imm, 0x11223344);
  EXPECT_EQ(code("ld_pseudo r1, 1, 5")[0], make_insn(kCodeLdImm64, 1, kMapFd, 0, 5));
}

TEST(BpfAssemble, DialectIsTold) {
  EXPECT_EQ(detect_dialect("exit\n"), Dialect::kLlvm);
  EXPECT_EQ(detect_dialect("# r1 = r2\nmov r0, 1\nexit\n"), Dialect::kUbpf);
  EXPECT_EQ(detect_dialect("L1: ja L1\n"), Dialect::kUbpf);
  EXPECT_EQ(detect_dialect("exit\nldxw r0, [r1+4]\n"), Dialect::kUbpf);
  EXPECT_EQ(detect_dialect("call 5\nlock add [r1], r2\n"), Dialect::kUbpf);
  EXPECT_EQ(detect_dialect("lock *(u64 *)(r1 + 0) += r2\nr0 = 1\n"), Dialect::kLlvm);
  EXPECT_EQ(detect_dialect("  if r1 > r2 goto L\n"), Dialect::kLlvm);
  EXPECT_EQ(detect_dialect("main: r0 %= r2\n"), Dialect::kLlvm);
}

TEST(BpfAssemble, LabelsAndSeveralStatementsInALine) {
  const std::vector<Insn> insns = code(R"(
start: r0 = 0; if r1 == 0 goto out   // a comment
  r0 += 1        ; another
# and a third
  if r0 < 10 goto start
out:
  exit
)");
  ASSERT_EQ(insns.size(), 5u);
  EXPECT_EQ(insns[1].off, 2);
  EXPECT_EQ(insns[3].off, -4);
  const std::vector<Insn> calls = code("call local f\nja exit\nf: mov r0, 1\nexit\n");
  EXPECT_EQ(calls[0], make_insn(kCodeCall, 0, kLocalCall, 0, 1));
  EXPECT_EQ(calls[1].off, 1) << "the first `exit` has that name";
  const std::vector<Insn> address = code("r1 = f ll\nexit\nf:\nr0 = 0\nexit\n");
  EXPECT_EQ(address[0], make_insn(kCodeLdImm64, 1, kFuncPtr, 0, 2)) << "relative, as in loaded programs";
}

TEST(BpfAssemble, ErrorsNamePlaceAndReason) {
  constexpr Dialect kU = Dialect::kUbpf, kL = Dialect::kLlvm;
  EXPECT_EQ(error("mov32 %r0, 2147483648", kU),
            "1:12 asm-range: 2147483648 does not fit into the 32 bits of the immediate");
  EXPECT_EQ(error("exit\nmov32 %r0, 0x100000000", kU),
            "2:12 asm-range: 4294967296 does not fit into the 32 bits of the immediate");
  EXPECT_EQ(error("ldxb %r0, [%r1+0x10000]", kU),
            "1:15 asm-range: 65536 does not fit into the 16 bits of the offset");
  EXPECT_EQ(error("ja NOT_A_LABEL\nexit", kU), "1:4 asm-name: there is no label `NOT_A_LABEL`");
  EXPECT_EQ(error("lock or [%r10-8]", kU), "1:17 asm-syntax: the operand of the atomic operation is missing");
  EXPECT_EQ(error("lock", kU), "1:5 asm-syntax: `lock` needs an operation");
  EXPECT_EQ(error("ldxq %r0, %r1", kU), "1:1 asm-syntax: `ldxq` is no instruction");
  EXPECT_EQ(error("ldxb %r0, %r1", kU), "1:11 asm-syntax: `r1` is no place in memory");
  EXPECT_EQ(error("lddw %r0", kU), "1:9 asm-syntax: expected `,` where the line ends");
  EXPECT_EQ(error("or %r0, %r50", kU), "1:9 asm-syntax: there is no register `r50`");
  EXPECT_EQ(error("r1 = 2147483648", kL),
            "1:6 asm-range: 2147483648 does not fit into the 32 bits of the immediate");
  EXPECT_EQ(error("r1 = be16 r2", kL), "1:13 asm-syntax: bytes can only be swapped in place");
  EXPECT_EQ(error("if r1 > w2 goto +1", kL), "1:9 asm-syntax: one register is 64 bits wide, the other 32");
  EXPECT_EQ(error("r11 = 1", kL), "1:1 asm-syntax: there is no register `r11`");
  EXPECT_EQ(error("a:\nexit\na:\nexit", kL), "3:1 asm-name: the label `a` is defined twice");
  EXPECT_EQ(error("r1 = values ll", kL), "1:6 asm-name: `values` is not defined");
  EXPECT_EQ(error("exit exit", kL), "1:6 asm-syntax: nothing may follow here, but `exit` does");
  EXPECT_EQ(error(".frobnicate 1", kL), "1:1 asm-syntax: `.frobnicate` is no directive of this assembler");
  EXPECT_EQ(error("r1 = \x01", kL), "1:6 asm-syntax: byte 0x01 has no meaning here");
  EXPECT_EQ(assemble("ldxq r0, [r1]").error().help, "did you mean `ldxb`?");
  EXPECT_EQ(assemble("goto LOOP\nloop:\nexit").error().help, "did you mean `loop`?");
}

TEST(BpfAssemble, ListingsAreReadBack) {
  // llvm-objdump's, where the bytes tell a call of a function from one of a helper.
  const std::vector<Insn> objdump = code(
      "\nx.o:\tfile format elf64-bpf\n\nDisassembly of section xdp:\n\n0000000000000000 <f>:\n"
      "       0:\t18 01 00 00 05 00 00 00 00 00 00 00 00 00 00 00\tr1 = 0x5 ll\n"
      "       2:\t85 10 00 00 01 00 00 00\tcall 0x1\n"
      "       3:\t15 00 ff ff 00 00 00 00\tif r0 == 0x0 goto -0x1 <f+0x18>\n\n"
      "0000000000000020 <LBB0_1>:\n"
      "       4:\tc3 21 08 00 40 00 00 00\t<unknown>\n"
      "       5:\t95 00 00 00 00 00 00 00\texit\n");
  ASSERT_EQ(objdump.size(), 6u);
  EXPECT_EQ(objdump[2].src(), kLocalCall);
  EXPECT_EQ(objdump[4], make_insn(kStx | kAtomic | kW, 1, 2, 8, 0x40));
  EXPECT_EQ(error("   0:\t95 00 00 00 00 00 00 00\tr0 = 0x1\n"),
            "1:31 asm-syntax: the bytes of this line and its text are different instructions");
  EXPECT_EQ(error("   0:\t95 00 00 00 00 00 00 00\t.data\n"),
            "-1:-1 input-empty: the text has no instructions");
  // The kernel's.
  const std::vector<Insn> kernel =
      code("0: (bf) r6 = r1\n1: (18) r1 = 0x5\n3: (85) call bpf_ktime_get_ns#5\n");
  ASSERT_EQ(kernel.size(), 4u);
  EXPECT_EQ(kernel[1].code, kCodeLdImm64);
  // `epass print`'s.
  const std::vector<Insn> print =
      code("   0   r0 = 1\nb1:          ; from 2\n   1   if r0 == 1 goto b1\n   2   exit\n");
  ASSERT_EQ(print.size(), 3u);
  EXPECT_EQ(print[1].off, -1);
}

TEST(BpfAssemble, CommonVariablesAndWhatIsSkipped) {
  auto assembly = assemble(R"(
	.file	0 "/tmp" "t.c" md5 0xdb4512fe4f97edda4637943b08a78cd8
	.local	state
	.comm	state,12,4
	.comm	other,8,8
	.section	.debug_info,"",@progbits
	.uleb128 5, junk ( of all kinds
	.text
	.loc	0 9 0 is_stmt 1
	r1 = state ll
	r2 = other ll
	exit
)");
  ASSERT_TRUE(assembly.has_value()) << assembly.error().message << " line " << assembly.error().where.line;
  ASSERT_EQ(assembly->sections.size(), 2u);
  EXPECT_EQ(assembly->sections[1].name, ".bss");
  EXPECT_EQ(assembly->sections[1].zeros, 24u);
  EXPECT_EQ(assembly->sections[1].align, 8u);
  for (const Assembly::Symbol& s : assembly->symbols) {
    if (s.name == "state") {
      EXPECT_TRUE(!s.is_global && s.offset == 0 && s.size == 12);
    } else if (s.name == "other") {
      EXPECT_TRUE(s.is_global && s.offset == 16 && s.size == 8);
    }
  }
  EXPECT_EQ(error(".comm x,8,3"), "1:9 asm-range: no size and alignment of a variable");
}

TEST(BpfAssemble, SectionsSymbolsAndData) {
  auto assembly = assemble(R"(
	.text
	.globl	f                               # -- Begin function f
	.p2align	3
	.type	f,@function
f:                                      # @f
	r1 = values ll
	r1 = .L.str ll
	call g
	exit
.Lfunc_end0:
	.size	f, .Lfunc_end0-f
	.section	"xdp/devmap","ax",@progbits
	r0 = 2
	call f
	exit
	.section	.rodata.str1.1,"aMS",@progbits,1
.L.str:
	.asciz	"a\tb\0"
	.section	.maps,"aw",@progbits
	.globl	values
	.type	values,@object
	.p2align	3, 0x0
values:
	.zero	16
	.size	values, 16
	.data
	.long 1, .Lfunc_end0-f
	.quad values+8
)");
  ASSERT_TRUE(assembly.has_value()) << assembly.error().message << " line " << assembly.error().where.line;
  ASSERT_EQ(assembly->sections.size(), 5u);
  EXPECT_EQ(assembly->sections[0].bytes.size(), 48u);
  EXPECT_EQ(assembly->sections[1].name, "xdp/devmap");
  EXPECT_TRUE(assembly->sections[1].is_code);
  EXPECT_EQ(std::string(assembly->sections[2].bytes.begin(), assembly->sections[2].bytes.end()),
            std::string("a\tb\0\0", 5));
  EXPECT_EQ(assembly->sections[4].bytes[4], 48);
  EXPECT_EQ(assembly->sections[4].bytes[8], 8);
  ASSERT_EQ(assembly->references.size(), 5u);
  auto find = [&](std::string_view name) -> const Assembly::Symbol* {
    for (const Assembly::Symbol& s : assembly->symbols)
      if (s.name == name) return &s;
    return nullptr;
  };
  ASSERT_TRUE(find("f") && find("g") && find("values") && find("main"));
  EXPECT_TRUE(find("f")->is_function && find("f")->is_global);
  EXPECT_EQ(find("f")->size, 48u);
  EXPECT_EQ(find("g")->section, -1);
  EXPECT_EQ(find("values")->size, 16u);
  EXPECT_EQ(find("main")->size, 24u);
  EXPECT_EQ(error("r0 = 1\n.section a,\"ax\"\nexit\n"),
            "-1:-1 emit: instructions in two sections, `.text` and `a`");
}

}  // namespace
}  // namespace epass::bpf
