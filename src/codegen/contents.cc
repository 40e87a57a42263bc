#include "codegen/contents.h"

#include <algorithm>

namespace epass {

Touched touched_by(bpf::Insn insn) {
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
    : mf_(mf), chunks_(chunks), code_(code) {
  slots_.fill(-1);
  for (const VRegData& reg : mf.vregs)
    if (is_slot(reg.loc) && slots_[size_t(-reg.loc)] < 0) slots_[size_t(-reg.loc)] = int8_t(slot_count_++);
}

int Contents::filled_slot(bpf::Insn insn) const {
  const bool is_fill = insn.code == (bpf::kLdx | bpf::kMem | bpf::kDw) && insn.src() == bpf::kFrameRegister;
  return is_fill ? slot_of(insn.off) : -1;
}

int Contents::spilled_slot(bpf::Insn insn) const {
  const bool is_spill =
      insn.code == (bpf::kStx | bpf::kMem | bpf::kDw) || insn.code == (bpf::kSt | bpf::kMem | bpf::kDw);
  return is_spill && insn.dst() == bpf::kFrameRegister ? slot_of(insn.off) : -1;
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
void Contents::define(State& state, uint32_t reg, Number number) {
  if (number && !(number & kMade)) {
    std::ranges::replace(state.regs, number, 0u);
    std::ranges::replace(state.slots, number, 0u);
  }
  if (reg < state.regs.size()) state.regs[reg] = number;
}

void Contents::step(State& state, uint32_t n, bpf::Insn insn) {
  const Number mine = n + 1;
  // A copy: both hold the same from now on, whatever it is.
  auto copy = [&](Number& to, Number& from) {
    if (!from) define(state, UINT32_MAX, mine), from = mine;
    to = from;
  };
  // A CO-RE record changes what it stands on when the program is loaded.
  const bool is_core =
      !code_.core.empty() && std::ranges::binary_search(code_.core, n, {}, &bpf::CoreRecord::insn);
  if (is_core) return define(state, insn.dst(), mine);
  if (const Number made = makes(n, insn)) return define(state, insn.dst(), made);
  if (insn.code == (bpf::kAlu64 | bpf::kMov | bpf::kX) && insn.off == 0)
    return copy(state.regs[insn.dst()], state.regs[insn.src()]);
  if (const int slot = filled_slot(insn); slot >= 0)
    return copy(state.regs[insn.dst()], state.slots[size_t(slot)]);
  if (const int slot = spilled_slot(insn); slot >= 0) {
    if (insn.cls() == bpf::kSt) {
      state.slots[size_t(slot)] = constant(uint64_t(int64_t{insn.imm}));
      return;
    }
    return copy(state.slots[size_t(slot)], state.regs[insn.src()]);
  }
  const Touched touched = touched_by(insn);
  if (!touched.writes) return;
  define(state, UINT32_MAX, mine);
  const bool is_one = (touched.writes & (touched.writes - 1)) == 0;
  for (uint32_t r = 0; r < 10; ++r)
    if (touched.writes >> r & 1) state.regs[r] = is_one || r == 0 ? mine : 0;
}

bool Contents::solve() {
  constexpr int kMaxRounds = 12;
  const auto count = uint32_t(mf_.blocks.size());
  in_.assign(count, {});
  std::vector<State> out(count);
  State entry{.reached = true, .slots = std::vector<Number>(slot_count_)};
  entry.regs[bpf::kFrameRegister] = made({0, 1, 0});
  for (int round = 0; round < kMaxRounds; ++round) {
    bool changed = false;
    for (uint32_t b = 0; b < count; ++b) {
      State state;
      if (b == 0) state = entry;
      for (MBlock p : mf_.preds(b)) {
        const State& from = out[p.index];
        if (!from.reached) continue;
        if (!state.reached) {
          state = from;
          continue;
        }
        for (size_t r = 0; r < state.regs.size(); ++r)
          if (state.regs[r] != from.regs[r]) state.regs[r] = 0;
        for (size_t s = 0; s < state.slots.size(); ++s)
          if (state.slots[s] != from.slots[s]) state.slots[s] = 0;
      }
      if (round && state == in_[b]) continue;
      changed = true;
      in_[b] = state;
      if (!state.reached) continue;
      for (uint32_t n = chunks_[b].begin; n < chunks_[b].end; n += bpf::records(code_.insns[n]))
        step(state, n, code_.insns[n]);
      out[b] = std::move(state);
    }
    if (!changed) return true;
  }
  return false;
}

}  // namespace epass
