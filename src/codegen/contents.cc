#include "codegen/contents.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace epass {

static Touched touched_by(bpf::Insn insn) {
  using namespace bpf;
  constexpr uint16_t kArguments = 0x3e, kScratch = 0x3f;
  const auto dst = uint16_t(1u << insn.dst()), src = uint16_t(1u << insn.src());
  const uint8_t op = insn.code & 0xf0;
  switch (insn.cls()) {
    case kLd:
      if (is_ld_imm64(insn)) return {0, dst, false};
      return {uint16_t(1u << 6 | ((insn.code & 0xe0) == kInd ? src : 0)), kScratch, false};
    case kLdx: return {src, dst, false};
    case kSt: return {dst, 0, false};
    case kStx: {
      Touched t{uint16_t(dst | src), 0, false};
      if ((insn.code & 0xe0) != kAtomic) return t;
      if (insn.imm == kLoadAcq) return {src, dst, false};
      if (insn.imm == kCmpxchg) return {uint16_t(dst | src | 1), 1, false};
      if (insn.imm == kXchg || (insn.imm != kStoreRel && insn.imm & kFetch))
        t.writes = src, t.in_place = true;
      return t;
    }
    case kAlu:
    case kAlu64: {
      const bool reg = insn.code & kX && op != kEnd && op != kNeg;
      if (op == kMov) return {reg ? src : uint16_t(0), dst, false};
      return {uint16_t(dst | (reg ? src : 0)), dst, true};
    }
    default:
      if (insn.code == kCodeCall) return {kArguments, kScratch, false};
      if (insn.code == kCodeCallx) return {uint16_t(kArguments | dst), kScratch, false};
      if (insn.code == kCodeExit) return {1, 0, false};
      if (insn.code == kCodeGotox) return {dst, 0, false};
      if (is_unconditional_jump(insn.code) || insn.code == kCodeMayGoto) return {};
      return {uint16_t(dst | (insn.code & kX ? src : 0)), 0, false};
  }
}

Contents::Contents(const MFunction& mf, const std::vector<Chunk>& chunks, const bpf::NewCode& code)
    : mf_(mf), chunks_(chunks), code_(code), records_(code.insns.size()) {
  slots_.fill(-1);
  for (const VRegData& reg : mf.vregs)
    if (is_slot(reg.loc) && slots_[size_t(-reg.loc)] < 0) slots_[size_t(-reg.loc)] = int8_t(slot_count_++);
  for (uint32_t n = 0; n < records_.size(); n += records_[n].length) read(n);
  for (uint32_t b = 0; b < mf.blocks.size(); ++b)
    may_repeat_ |= std::ranges::any_of(mf.succs(b), [&](MBlock s) { return s.index <= b; });
}

void Contents::read(uint32_t n) {
  const bpf::Insn insn = code_.insns[n];
  Record record{.touched = touched_by(insn), .length = uint8_t(bpf::records(insn))};
  record.is_core =
      !code_.core.empty() && std::ranges::binary_search(code_.core, n, {}, &bpf::CoreRecord::insn);
  record.makes = makes(n, insn);
  if (insn.cls() == bpf::kSt) record.stores = constant(uint64_t(int64_t{insn.imm}));
  if (insn.code == (bpf::kLdx | bpf::kMem | bpf::kDw) && insn.src() == bpf::kFrameRegister)
    record.filled = slot_of(insn.off);
  const bool is_store =
      insn.code == (bpf::kStx | bpf::kMem | bpf::kDw) || insn.code == (bpf::kSt | bpf::kMem | bpf::kDw);
  if (is_store && insn.dst() == bpf::kFrameRegister) record.spilled = slot_of(insn.off);
  record.uses = record.touched.reads, record.defines = record.touched.writes;
  if (const int bit = slot_bit(record.filled); bit >= 0) record.uses |= uint64_t{1} << bit;
  if (const int bit = slot_bit(record.spilled); bit >= 0) record.defines |= uint64_t{1} << bit;
  records_[n] = record;
}

void Contents::remove(std::span<const uint8_t> marks) {
  uint32_t kept = 0;
  for (uint32_t n = 0; n < records_.size(); ++n)
    if (!marks[n]) records_[kept++] = records_[n];
  records_.resize(kept);
}

Contents::Number Contents::makes(uint32_t n, bpf::Insn insn) {
  if (insn.code == (bpf::kAlu | bpf::kMov | bpf::kK)) return constant(uint32_t(insn.imm));
  if (insn.code == (bpf::kAlu64 | bpf::kMov | bpf::kK)) return constant(uint64_t(int64_t{insn.imm}));
  if (!bpf::is_ld_imm64(insn)) return 0;
  const uint64_t imm = bpf::imm64(insn, code_.insns[n + 1]);
  auto symbol = std::ranges::lower_bound(code_.attachments, n, {}, &bpf::Attachment::insn);
  if (symbol != code_.attachments.end() && symbol->insn == n)
    return made({1u + insn.src(), symbol->symbol.index, imm});
  return insn.src() ? made({1u + insn.src(), UINT32_MAX, imm}) : constant(imm);
}

// A number that stands for what record `n` computes now must not stay behind for what it computed before.
void Contents::define(State state, uint32_t reg, Number number) const {
  if (may_repeat_ && number && !(number & kMade)) std::ranges::replace(state.holds, number, 0u);
  if (reg < kRegisters) state.reg(reg) = number;
}

void Contents::step(State state, uint32_t n) const {
  const bpf::Insn insn = code_.insns[n];
  const Record& record = records_[n];
  const Number mine = n + 1;
  // A copy: both hold the same from now on, whatever it is.
  auto copy = [&](Number& to, Number& from) {
    if (!from) define(state, UINT32_MAX, mine), from = mine;
    to = from;
  };
  // A CO-RE record changes what it stands on when the program is loaded.
  if (record.is_core) return define(state, insn.dst(), mine);
  if (record.makes) return define(state, insn.dst(), record.makes);
  if (insn.code == (bpf::kAlu64 | bpf::kMov | bpf::kX) && insn.off == 0)
    return copy(state.reg(insn.dst()), state.reg(insn.src()));
  if (record.filled >= 0) return copy(state.reg(insn.dst()), state.slot(record.filled));
  if (record.spilled >= 0 && insn.cls() == bpf::kStx)
    return copy(state.slot(record.spilled), state.reg(insn.src()));
  if (record.spilled >= 0) {
    state.slot(record.spilled) = record.stores;
    return;
  }
  if (!record.touched.writes) return;
  define(state, UINT32_MAX, mine);
  const uint16_t writes = record.touched.writes;
  const bool is_one = (writes & (writes - 1)) == 0;
  for (uint32_t left = writes & 0x3ff; left; left &= left - 1) {
    const auto r = uint32_t(std::countr_zero(left));
    state.reg(r) = is_one || r == 0 ? mine : 0;
  }
}

Contents::State Contents::at_start(uint32_t block) {
  const State from = row(in_, block), to = row(here_, 0);
  std::ranges::copy(from.holds, to.holds.begin());
  return to;
}

// Into `state`: what holds behind all predecessors that are reached; false if none is.
bool Contents::merge(State state, uint32_t block) {
  if (block == 0) {
    std::ranges::fill(state.holds, 0);
    state.reg(bpf::kFrameRegister) = made({0, 1, 0});
  }
  bool reached = block == 0;
  for (MBlock p : mf_.preds(block)) {
    if (!is_reached_[p.index]) continue;
    const State from = row(out_, p.index);
    if (!std::exchange(reached, true)) {
      std::ranges::copy(from.holds, state.holds.begin());
      continue;
    }
    for (size_t k = 0; k < stride_; ++k)
      if (state.holds[k] != from.holds[k]) state.holds[k] = 0;
  }
  return reached;
}

bool Contents::solve() {
  constexpr int kMaxRounds = 12;
  const auto count = uint32_t(mf_.blocks.size());
  stride_ = kRegisters + slot_count_;
  in_.resize(count * stride_);
  out_.resize(count * stride_);
  here_.resize(stride_);
  is_reached_.assign(count, 0);
  std::vector<uint8_t> is_due(count, 1);
  const State state = row(here_, 0);
  for (int round = 0; round < kMaxRounds; ++round) {
    bool changed = round == 0;
    for (uint32_t b = 0; b < count; ++b) {
      if (!std::exchange(is_due[b], 0) || !merge(state, b)) continue;
      if (is_reached_[b] && std::ranges::equal(state.holds, row(in_, b).holds)) continue;
      changed = true;
      is_reached_[b] = 1;
      std::ranges::copy(state.holds, row(in_, b).holds.begin());
      for (uint32_t n = chunks_[b].begin; n < chunks_[b].end; n += records_[n].length) step(state, n);
      std::ranges::copy(state.holds, row(out_, b).holds.begin());
      for (MBlock s : mf_.succs(b)) is_due[s.index] = 1;
    }
    if (!changed) return true;
  }
  return false;
}

}  // namespace epass
