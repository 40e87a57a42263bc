#include "codegen/tidy.h"

#include <algorithm>
#include <numeric>

#include "codegen/contents.h"

namespace epass {
namespace {

constexpr uint32_t kMaxBlocks = 30'000;  // states take 350 bytes a block
constexpr uint32_t kReach = 64;          // how many records a replacement looks ahead
constexpr uint8_t kSecond = 2;           // in `gone_`: the record before became another
constexpr uint8_t kMoveX = bpf::kAlu64 | bpf::kMov | bpf::kX;

class Tidier {
 public:
  Tidier(const MFunction& mf, std::vector<Chunk>& chunks, bpf::NewCode& code)
      : mf_(mf), chunks_(chunks), code_(code), contents_(mf, chunks, code), gone_(code.insns.size()) {}

  void run() {
    constexpr int kRounds = 3;
    for (int round = 0; round < kRounds; ++round) {
      changed_ = false;
      find_live();
      if (!contents_.solve()) break;
      kept_ = 0, forgotten_ = 0;
      for (uint32_t b = 0; b < mf_.blocks.size(); ++b) rewrite(b);
      find_live();
      remove_dead();
      remove_gone();
      if (!changed_) break;
    }
  }

 private:
  using State = Contents::State;

  // What a block does to what is alive, as Contents::Record has it.
  struct Liveness {
    uint64_t uses = 0, defines = 0;
  };
  bool is_there(uint32_t n) const { return code_.insns[n].code && !gone_[n]; }

  uint64_t live_out(uint32_t b) const {
    uint64_t live = 0;
    for (MBlock s : mf_.succs(b)) live |= live_in_[s.index];
    return live;
  }
  void find_live() {
    const auto count = uint32_t(mf_.blocks.size());
    std::vector<Liveness> blocks(count);
    for (uint32_t b = 0; b < count; ++b)
      for (uint32_t n = chunks_[b].end; n-- > chunks_[b].begin;) {
        if (!is_there(n)) continue;
        const Contents::Record& record = contents_.record(n);
        blocks[b].uses = (blocks[b].uses & ~record.defines) | record.uses;
        blocks[b].defines |= record.defines;
      }
    live_in_.assign(count, 0);
    std::vector<uint32_t> work(count);
    std::iota(work.begin(), work.end(), 0u);
    std::vector<uint8_t> queued(count, 1);
    while (!work.empty()) {
      const uint32_t b = work.back();
      work.pop_back();
      queued[b] = 0;
      const uint64_t live = (live_out(b) & ~blocks[b].defines) | blocks[b].uses;
      if (live == live_in_[b]) continue;
      live_in_[b] = live;
      for (MBlock p : mf_.preds(b))
        if (!queued[p.index]) queued[p.index] = 1, work.push_back(p.index);
    }
  }
  void remove_dead() {
    for (uint32_t b = 0; b < mf_.blocks.size(); ++b) {
      uint64_t live = live_out(b);
      for (uint32_t n = chunks_[b].end; n-- > chunks_[b].begin;) {
        if (!is_there(n)) continue;
        const Contents::Record& record = contents_.record(n);
        const bool is_pure =
            code_.insns[n].code == kMoveX || Contents::slot_bit(record.filled) >= 0 || record.makes;
        const bool is_dead_value = is_pure && !(record.touched.writes & live);
        const bool is_dead_spill = Contents::slot_bit(record.spilled) >= 0 && !(record.defines & live);
        if (!record.is_core && (is_dead_value || is_dead_spill)) {
          erase(n);
          continue;
        }
        live = (live & ~record.defines) | record.uses;
      }
    }
  }

  void erase(uint32_t n) {
    for (uint32_t k = 0; k < contents_.record(n).length; ++k) gone_[n + k] = 1;
    changed_ = true;
  }

  void rewrite(uint32_t b) {
    if (!contents_.is_reached(b)) return;
    const State state = contents_.at_start(b);
    for (uint32_t r = 0; r < 10; ++r)
      if (forgotten_ >> r & 1) state.reg(r) = 0;
    written_ = 0;
    for (uint32_t n = chunks_[b].begin; n < chunks_[b].end;) {
      const uint32_t next = n + contents_.record(n).length;
      if (!gone_[n] && !contents_.record(n).is_core) visit(b, n, state);
      if (!gone_[n]) {
        contents_.step(state, n);
        written_ |= contents_.record(n).touched.writes;
      }
      n = next;
    }
  }

  void visit(uint32_t b, uint32_t n, const State& state) {
    const bpf::Insn insn = code_.insns[n];
    const uint8_t dst = insn.dst();
    const Contents::Record& record = contents_.record(n);
    Contents::Number value = record.makes;
    if (record.filled >= 0) value = state.slot(record.filled);
    if (insn.code == kMoveX && insn.off == 0) value = state.reg(insn.src());
    if (value && state.reg(dst) == value) {
      use_at_start(dst);
      return erase(n);
    }
    if (insn.code == kMoveX && insn.off == 0 && insn.src() < bpf::kFrameRegister) {
      forward(b, n, insn.src());
      return;
    }
    if (value && insn.code != kMoveX) {
      const int holder = find(state, value, dst);
      if (holder < 0) return;
      if (forward(b, n, uint8_t(holder))) return use_at_start(uint8_t(holder));
      const bool is_short = insn.imm == 0 && !bpf::is_ld_imm64(insn) && record.filled < 0;
      if (is_short) return;
      use_at_start(uint8_t(holder));
      replace(n, bpf::make_insn(kMoveX, dst, uint8_t(holder), 0, 0));
      return;
    }
    if (insn.cls() == bpf::kSt && bpf::access_bytes(insn.code) > 1 && record.spilled < 0) {
      const int holder = find(state, record.stores, 16);
      if (holder < 0) return;
      use_at_start(uint8_t(holder));
      replace(n, bpf::make_insn(uint8_t((insn.code & ~7) | bpf::kStx), dst, uint8_t(holder), insn.off, 0));
    }
  }

  void replace(uint32_t n, bpf::Insn insn) {
    if (bpf::is_ld_imm64(code_.insns[n])) gone_[n + 1] = kSecond;
    code_.insns[n] = insn;
    contents_.read(n);
    changed_ = true;
  }

  static int find(const State& state, Contents::Number value, uint8_t other_than) {
    for (int r = 0; r < 10; ++r)
      if (r != other_than && state.reg(uint32_t(r)) == value) return r;
    return -1;
  }

  // The value that came into the block is needed: whatever makes it must stay.
  void use_at_start(uint8_t reg) {
    if (!(written_ >> reg & 1)) kept_ |= uint16_t(1u << reg);
  }

  // Lets the readers of what record `n` puts into its destination read `from` instead, and removes the
  // record; false if not all of them can.
  bool forward(uint32_t b, uint32_t n, uint8_t from) {
    const uint8_t dst = code_.insns[n].dst();
    const auto dst_bit = uint16_t(1u << dst), from_bit = uint16_t(1u << from);
    if (dst == from) return false;
    readers_.clear();
    bool intact = true, ends = false;
    const uint32_t end = chunks_[b].end;
    uint32_t m = n + contents_.record(n).length;
    for (; m < end && m - n < kReach && !ends; m += contents_.record(m).length) {
      if (gone_[m]) continue;
      const Touched& touched = contents_.record(m).touched;
      if (touched.reads & dst_bit) {
        if (!intact || !reads_by_name(code_.insns[m], touched, dst)) return false;
        readers_.push_back(m);
      }
      if (touched.writes & dst_bit) ends = true;
      if (touched.writes & from_bit) intact = false;
    }
    if (!ends && (m < end || live_out(b) & dst_bit || kept_ & dst_bit)) return false;
    for (uint32_t reader : readers_) rename(reader, dst, from);
    if (!ends) forgotten_ |= dst_bit;
    erase(n);
    return true;
  }

  // Whether all reads of `reg` are operands that can name another register.
  static bool reads_by_name(bpf::Insn insn, const Touched& touched, uint8_t reg) {
    switch (insn.cls()) {
      case bpf::kLdx:
      case bpf::kSt: return true;
      case bpf::kStx:
        if ((insn.code & 0xe0) == bpf::kAtomic && (insn.imm == bpf::kLoadAcq || insn.imm == bpf::kCmpxchg))
          return false;
        return !(touched.in_place && insn.src() == reg);
      case bpf::kAlu:
      case bpf::kAlu64: return !(touched.in_place && insn.dst() == reg);
      case bpf::kJmp:
      case bpf::kJmp32: return bpf::is_conditional_jump(insn.code);
      default: return false;
    }
  }
  void rename(uint32_t n, uint8_t from, uint8_t to) {
    bpf::Insn& insn = code_.insns[n];
    const bool is_in_place = contents_.record(n).touched.in_place;
    const bool writes_only = (insn.cls() == bpf::kLdx || bpf::is_alu(insn.code)) && !is_in_place;
    if (insn.dst() == from && !writes_only && !bpf::is_alu(insn.code)) insn.set_dst(to);
    const bool has_src = insn.cls() == bpf::kLdx || insn.cls() == bpf::kStx ||
                         ((bpf::is_alu(insn.code) || bpf::is_jmp(insn.code)) && insn.code & bpf::kX);
    if (has_src && insn.src() == from) insn.set_src(to);
    contents_.read(n);
  }

  void remove_gone() {
    if (!changed_) return;
    // A symbol goes with its record, or with the second one of what is no ld_imm64 any more.
    std::erase_if(code_.attachments, [&](const bpf::Attachment& a) {
      return gone_[a.insn] || (a.insn + 1 < gone_.size() && gone_[a.insn + 1] == kSecond);
    });
    std::vector<uint32_t> at(code_.insns.size() + 1);
    uint32_t kept = 0;
    for (uint32_t n = 0; n < code_.insns.size(); ++n) {
      at[n] = kept;
      if (gone_[n]) continue;
      code_.insns[kept] = code_.insns[n];
      code_.origin[kept++] = code_.origin[n];
    }
    at[code_.insns.size()] = kept;
    for (bpf::Attachment& a : code_.attachments) a.insn = at[a.insn];
    for (bpf::CoreRecord& c : code_.core) c.insn = at[c.insn];
    contents_.remove(gone_);
    for (Chunk& chunk : chunks_) chunk.begin = at[chunk.begin], chunk.end = at[chunk.end];
    code_.insns.resize(kept);
    code_.origin.resize(kept);
    gone_.assign(kept, 0);
  }

  const MFunction& mf_;
  std::vector<Chunk>& chunks_;
  bpf::NewCode& code_;
  Contents contents_;
  std::vector<uint8_t> gone_;
  std::vector<uint64_t> live_in_;
  std::vector<uint32_t> readers_;  // of what may be forwarded
  uint16_t written_ = 0;           // registers that the block has written so far
  uint16_t kept_ = 0;              // registers whose value at the start of some block is needed by a rewrite
  uint16_t forgotten_ = 0;         // registers of which a definition went that blocks further on may count on
  bool changed_ = false;
};

}  // namespace

void tidy(const MFunction& mf, std::vector<Chunk>& chunks, bpf::NewCode& code) {
  if (mf.blocks.size() <= kMaxBlocks) Tidier(mf, chunks, code).run();
}

}  // namespace epass
