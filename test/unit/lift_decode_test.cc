// What single instructions become, and what is refused.

#include <gtest/gtest.h>

#include "ir/verify.h"
#include "lift/lift.h"

namespace epass {
namespace {

using bpf::Insn;
using bpf::make_insn;

constexpr uint8_t kMov64K = bpf::kAlu64 | bpf::kMov, kMov64X = kMov64K | bpf::kX,
                  kMov32K = bpf::kAlu | bpf::kMov;
constexpr uint8_t kMov32X = kMov32K | bpf::kX, kAdd64K = bpf::kAlu64 | bpf::kAdd;
constexpr uint8_t kAtomicDw = bpf::kStx | bpf::kAtomic | bpf::kDw;
constexpr Insn kLeave = {.code = bpf::kCodeExit};

Result<Function> lift_code(std::vector<Insn> insns) {
  bpf::Program program;
  auto id = program.functions.add({.name = "f", .is_entry = true, .insns = std::move(insns)});
  auto fn = lift(program, id, analyze_calls(program));
  if (fn)
    if (auto ok = verify(*fn); !ok) return fail(ok.error());
  return fn;
}

// The instruction that record `origin` became, without its operands in place.
InstData at(const Function& fn, uint32_t origin) {
  InstData found;
  for (Inst i : fn.all_insts())
    if (fn.insts[i].origin == origin) found = fn.insts[i];
  EXPECT_EQ(found.origin, origin);
  return found;
}

// `insn` as record 1, after r0 = 1; r1 is the context.
InstData only(Insn insn) {
  auto fn = lift_code({make_insn(kMov64K, 0, 0, 0, 1), insn, kLeave});
  EXPECT_TRUE(fn) << fn.error().message;
  return fn ? at(*fn, 1) : InstData{};
}

void expect_refused(std::vector<Insn> insns, const std::string& code, int64_t insn) {
  auto fn = lift_code(std::move(insns));
  ASSERT_FALSE(fn) << "insn " << insn;
  EXPECT_EQ(fn.error().code, code) << fn.error().message;
  EXPECT_EQ(fn.error().where.insn, insn) << fn.error().message;
}

TEST(LiftDecode, Moves) {
  EXPECT_EQ(only(make_insn(kMov64X, 0, 1, 0, 0)).op, Opcode::Copy);
  EXPECT_EQ(only(make_insn(kMov32X, 0, 1, 0, 0)).op, Opcode::ZExt32);
  InstData wide = only(make_insn(kMov64X, 0, 1, 16, 0)), narrow = only(make_insn(kMov32X, 0, 1, 8, 0));
  EXPECT_EQ(wide.op, Opcode::SExt16);
  EXPECT_EQ(wide.width, Width::k64);
  EXPECT_EQ(narrow.op, Opcode::SExt8);
  EXPECT_EQ(narrow.width, Width::k32);
  EXPECT_EQ(only(make_insn(kMov64X, 0, 1, 32, 0)).op, Opcode::SExt32);
  InstData cast = only(make_insn(kMov64X, 0, 1, 1, 0x10000));
  EXPECT_EQ(cast.op, Opcode::AddrSpaceCast);
  EXPECT_EQ(cast.imm, 0x10000);
}

TEST(LiftDecode, ConstantsKeepTheirForm) {
  EXPECT_EQ(only(make_insn(kMov64K, 0, 0, 0, -1)).imm, -1);
  InstData narrow = only(make_insn(kMov32K, 0, 0, 0, -1));
  EXPECT_EQ(narrow.imm, 0xffffffff);
  EXPECT_EQ(narrow.form, Form::kMov32);
  auto fn = lift_code({make_insn(bpf::kCodeLdImm64, 0, 0, 0, -5), make_insn(0, 0, 0, 0, 7), kLeave});
  ASSERT_TRUE(fn);
  EXPECT_EQ(at(*fn, 0).form, Form::kLdImm64);
  EXPECT_EQ(at(*fn, 0).imm, 0x7fffffffb);
}

TEST(LiftDecode, ArithmeticAndSwaps) {
  EXPECT_EQ(only(make_insn(bpf::kAlu64 | bpf::kDiv, 0, 0, 1, 3)).op, Opcode::SDiv);
  EXPECT_EQ(only(make_insn(bpf::kAlu | bpf::kMod, 0, 0, 0, 3)).op, Opcode::UMod);
  EXPECT_EQ(only(make_insn(bpf::kAlu | bpf::kArsh, 0, 0, 0, 3)).width, Width::k32);
  EXPECT_EQ(only(make_insn(bpf::kAlu | bpf::kNeg, 0, 0, 0, 0)).op, Opcode::Neg);
  EXPECT_EQ(only(make_insn(bpf::kAlu | bpf::kEnd, 0, 0, 0, 16)).op, Opcode::Le16);
  EXPECT_EQ(only(make_insn(bpf::kAlu | bpf::kEnd | bpf::kX, 0, 0, 0, 32)).op, Opcode::Be32);
  EXPECT_EQ(only(make_insn(bpf::kAlu64 | bpf::kEnd, 0, 0, 0, 64)).op, Opcode::BSwap64);
}

TEST(LiftDecode, Atomics) {
  auto op = [](int32_t imm) { return only(make_insn(kAtomicDw, 10, 0, -8, imm)).op; };
  EXPECT_EQ(op(bpf::kAdd), Opcode::AtomicAdd);
  EXPECT_EQ(op(bpf::kXor | int32_t{bpf::kFetch}), Opcode::FetchXor);
  EXPECT_EQ(op(bpf::kXchg), Opcode::Xchg);
  EXPECT_EQ(op(bpf::kStoreRel), Opcode::StoreRelease);
  EXPECT_EQ(only(make_insn(kAtomicDw, 0, 1, 0, bpf::kLoadAcq)).op, Opcode::LoadAcquire);
  // Compare-and-exchange reads and writes r0, whatever its source.
  auto fn = lift_code({make_insn(kMov64K, 0, 0, 0, 1), make_insn(kMov64K, 3, 0, 0, 2),
                       make_insn(kAtomicDw, 10, 3, -8, bpf::kCmpxchg), kLeave});
  ASSERT_TRUE(fn);
  InstData d = at(*fn, 2);
  EXPECT_EQ(d.operand_count, 3u);
  EXPECT_EQ(fn->home(d.result), Home::reg(0));
  EXPECT_EQ(fn->operand(fn->terminator(fn->entry()), 0), d.result);
}

TEST(LiftDecode, CallsPassWhatTheHelperReadsAndLoseTheRest) {
  // bpf_get_prandom_u32 reads nothing; r1 is undefined after it, r6 is not.
  auto fn = lift_code({make_insn(kMov64X, 6, 1, 0, 0), make_insn(bpf::kCodeCall, 0, 0, 0, 7),
                       make_insn(kMov64X, 0, 1, 0, 0),
                       make_insn(bpf::kAlu64 | bpf::kAdd | bpf::kX, 0, 6, 0, 0), kLeave});
  ASSERT_TRUE(fn) << fn.error().message;
  EXPECT_EQ(at(*fn, 1).operand_count, 0u);
  Inst copy = fn->def(at(*fn, 2).result), add = fn->def(at(*fn, 3).result);
  EXPECT_TRUE(fn->is(fn->operand(copy, 0), Opcode::Undef));
  EXPECT_EQ(fn->operand(add, 1), at(*fn, 0).result);
}

TEST(LiftDecode, RefusesWhatNoKernelHas) {
  auto one = [](Insn insn) {
    expect_refused({make_insn(kMov64K, 0, 0, 0, 1), insn, kLeave}, "insn-unknown", 1);
  };
  one(make_insn(0xff, 0, 0, 0, 0));
  one(make_insn(kMov64X, 0, 1, 7, 0));
  one(make_insn(kMov32X, 0, 1, 32, 0));
  one(make_insn(bpf::kAlu64 | bpf::kAdd, 0, 0, 1, 0));
  one(make_insn(bpf::kAlu | bpf::kEnd, 0, 0, 0, 8));
  one(make_insn(bpf::kAlu64 | bpf::kEnd | bpf::kX, 0, 0, 0, 16));
  one(make_insn(bpf::kLdx | bpf::kMemsx | bpf::kDw, 0, 1, 0, 0));
  one(make_insn(bpf::kLd | bpf::kAbs | bpf::kDw, 0, 0, 0, 0));
  one(make_insn(kAtomicDw, 10, 0, -8, 0x123));
  one(make_insn(bpf::kStx | bpf::kAtomic | bpf::kH, 10, 0, -8, bpf::kAdd));
  one(make_insn(bpf::kJmp32 | bpf::kCall, 0, 0, 0, 1));
  one(make_insn(bpf::kJmp32 | bpf::kExit, 0, 0, 0, 0));
  one(make_insn(bpf::kCodeMayGoto, 0, 1, 0, 0));
}

TEST(LiftDecode, RefusesRegistersThatDoNotExist) {
  auto one = [](Insn insn) {
    expect_refused({make_insn(kMov64K, 0, 0, 0, 1), insn, kLeave}, "insn-unknown", 1);
  };
  for (uint8_t r = 11; r < 16; ++r) {
    one(make_insn(kMov64X, r, 0, 0, 0));
    one(make_insn(kMov64X, 0, r, 0, 0));
    one(make_insn(bpf::kLd | bpf::kInd | bpf::kW, 0, r, 0, 0));
    one(make_insn(bpf::kStx | bpf::kMem | bpf::kW, 10, r, -8, 0));
    one(make_insn(bpf::kCodeCallx, r, 0, 0, 0));
  }
}

TEST(LiftDecode, RefusesWritesOfTheFramePointer) {
  auto one = [](Insn insn) {
    expect_refused({make_insn(kMov64K, 0, 0, 0, 1), insn, kLeave}, "insn-unknown", 1);
  };
  one(make_insn(kMov64X, 10, 1, 0, 0));
  one(make_insn(kAdd64K, 10, 0, 0, 8));
  one(make_insn(bpf::kLdx | bpf::kMem | bpf::kDw, 10, 1, 0, 0));
  one(make_insn(kAtomicDw, 10, 10, -8, bpf::kXchg));
  one(make_insn(kAtomicDw, 10, 10, -8, bpf::kAdd | int32_t{bpf::kFetch}));
  one(make_insn(kAtomicDw, 10, 1, 0, bpf::kLoadAcq));
  expect_refused({make_insn(bpf::kCodeLdImm64, 10, 0, 0, 0), Insn{}, kLeave}, "insn-unknown", 0);
}

TEST(LiftDecode, RefusesJumpsThatLeadNowhere) {
  expect_refused({make_insn(bpf::kCodeJa, 0, 0, -2, 0), kLeave}, "jump-range", 0);
  expect_refused({make_insn(bpf::kCodeGotol, 0, 0, 0, INT32_MAX), kLeave}, "jump-range", 0);
  expect_refused({make_insn(bpf::kJmp | bpf::kJeq, 1, 0, 1, 0), make_insn(bpf::kCodeLdImm64, 0, 0, 0, 0),
                  Insn{}, kLeave},
                 "jump-range", 0);
  expect_refused({make_insn(kMov64K, 0, 0, 0, 0)}, "runs-off", 0);
  expect_refused({make_insn(kMov64K, 0, 0, 0, 0), make_insn(bpf::kCodeLdImm64, 0, 0, 0, 0)}, "insn-truncated",
                 1);
  expect_refused({make_insn(bpf::kCodeGotox, 1, 0, 0, 0), kLeave}, "jump-table", 0);
  expect_refused({}, "empty", -1);
}

TEST(LiftDecode, CodeMayEndInACall) {
  auto fn = lift_code({make_insn(bpf::kCodeCall, 0, 0, 0, 7)});
  ASSERT_TRUE(fn) << fn.error().message;
  EXPECT_EQ(fn->insts[fn->terminator(fn->entry())].op, Opcode::Unreachable);
}

}  // namespace
}  // namespace epass
