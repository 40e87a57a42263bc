// Order of blocks and their jumps. Blocks keep the input's order; what stands on a split edge and is not
// empty goes behind its source if it falls through there, else in front of its target if nothing falls into
// that, else to the end. When tidying, a block that only jumps on, or would if it were not followed by where
// it leads to, goes.
//
//     if r1 > r2 goto b2                    if r1 <= r2 goto b3
//   b1: goto b3                       =>  b2: ...
//   b2: ...

#include "codegen/layout.h"

#include <algorithm>

#include "ir/edit.h"

namespace epass {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

class Layout {
 public:
  Layout(const MFunction& mf, std::vector<Chunk> chunks, bpf::NewCode in, const LowerOptions& options)
      : mf_(mf),
        chunks_(std::move(chunks)),
        in_(std::move(in)),
        options_(options),
        forwards_(mf.blocks.size()) {}

  Result<bpf::NewCode> run() {
    if (options_.tidy) find_forwarding();
    choose_order();
    long_.resize(mf_.blocks.size());
    for (;;) {
      if (auto ok = write(); !ok) return fail(ok.error());
      bool fits = true;
      for (const Fixup& f : fixups_) {
        int64_t distance = int64_t(start_[f.target]) - f.at - 1;
        if (f.is_long) {
          out_.insns[f.at].imm = int32_t(distance);
        } else if (distance == int16_t(distance)) {
          out_.insns[f.at].off = int16_t(distance);
        } else {
          if (options_.isa < bpf::Isa::kV4)
            return fail("jump-range",
                        "a jump over " + std::to_string(distance) + " instructions needs `--isa v4`");
          long_[f.block] |= f.bit;
          fits = false;
        }
      }
      if (fits) break;
    }
    for (uint32_t b = 0; b < mf_.blocks.size(); ++b)
      if (mf_.blocks[b].table_target != kNoOrigin)
        out_.table_targets.push_back({mf_.blocks[b].table_target, start_[b]});
    std::ranges::sort(out_.table_targets);
    return std::move(out_);
  }

 private:
  struct Fixup {
    uint32_t at = 0, target = 0, block = 0;
    bool is_long = false;
    uint8_t bit = 0;
  };

  bool is_left_out(uint32_t b) const {
    return forwards_[b] || (!mf_.blocks[b].block && chunks_[b].end - chunks_[b].begin == 1);
  }

  void find_forwarding() {
    constexpr int kLongest = 64;  // blocks one after the other
    if (mf_.insts.size() > kMostWithFewJumps) return;
    for (uint32_t b = 1; b < mf_.blocks.size(); ++b) {
      if (chunks_[b].ends_with != MKind::kJump || chunks_[b].end - chunks_[b].begin != 1 ||
          !mf_.blocks[b].block || mf_.blocks[b].table_target != kNoOrigin || chunks_[b].on_with != kNone)
        continue;
      // Those that lead round in a circle stay.
      uint32_t to = successor(b, 0);
      int steps = 0;
      for (; to != b && is_left_out(to) && steps < kLongest; ++steps) to = successor(to, 0);
      forwards_[b] = to != b && steps < kLongest;
    }
  }
  uint32_t target(uint32_t b, size_t n) const {
    uint32_t t = successor(b, n);
    while (is_left_out(t)) t = successor(t, 0);
    return t;
  }
  uint32_t successor(uint32_t b, size_t n) const {
    return chunks_[b].on_with != kNone ? chunks_[b].on_with : mf_.succs(b)[n].index;
  }

  void choose_order() {
    order_.reserve(mf_.blocks.size());
    std::vector<uint32_t> before(mf_.blocks.size(), kNone);
    std::vector<uint32_t> at_end;
    std::vector<uint32_t> behind(mf_.blocks.size(), kNone);
    std::vector<uint8_t> falls_into(mf_.blocks.size());
    uint32_t previous = kNone;
    for (uint32_t b = 0; b < mf_.blocks.size(); ++b) {
      if (!mf_.blocks[b].block || forwards_[b]) continue;
      if (previous != kNone && falls_through(previous, b)) falls_into[b] = 1;
      previous = b;
    }
    for (uint32_t b = 0; b < mf_.blocks.size(); ++b) {
      auto succs = mf_.succs(b);
      for (size_t n = 0; n < succs.size(); ++n) {
        uint32_t e = succs[n].index;
        if (mf_.blocks[e].block || is_left_out(e)) continue;
        uint32_t to = target(e, 0);
        if (n == 1) {
          behind[b] = e;
        } else if (!falls_into[to] && before[to] == kNone) {
          before[to] = e;
        } else {
          at_end.push_back(e);
        }
      }
    }
    for (uint32_t b = 0; b < mf_.blocks.size(); ++b) {
      if (!mf_.blocks[b].block || forwards_[b]) continue;
      if (before[b] != kNone) (b != 0 ? order_ : at_end).push_back(before[b]);
      order_.push_back(b);
      if (behind[b] != kNone) order_.push_back(behind[b]);
    }
    order_.insert(order_.end(), at_end.begin(), at_end.end());
  }

  // Whether block `b` continues in the block that follows it in the input's order.
  bool falls_through(uint32_t b, uint32_t next) const {
    if (chunks_[b].on_with != kNone) return false;
    for (size_t n = 0; n < mf_.succs(b).size(); ++n) {
      uint32_t s = mf_.succs(b)[n].index;
      if (!mf_.blocks[s].block) s = mf_.succs(s)[0].index;
      while (forwards_[s]) s = successor(s, 0);
      if (s == next) return true;
    }
    return false;
  }

  void copy_record(uint32_t from) {
    uint32_t at = uint32_t(out_.insns.size());
    out_.insns.push_back(in_.insns[from]);
    out_.origin.push_back(in_.origin[from]);
    for (; attachment_ < in_.attachments.size() && in_.attachments[attachment_].insn <= from; ++attachment_)
      if (in_.attachments[attachment_].insn == from)
        out_.attachments.push_back({at, in_.attachments[attachment_].symbol});
    for (; core_ < in_.core.size() && in_.core[core_].insn <= from; ++core_)
      if (in_.core[core_].insn == from) out_.core.push_back({at, in_.core[core_].id});
  }
  void add(bpf::Insn insn, uint32_t origin) {
    out_.insns.push_back(insn);
    out_.origin.push_back(origin);
  }

  void jump(uint32_t to, uint32_t block, uint8_t bit, uint32_t origin) {
    bool is_long = long_[block] & bit;
    add(bpf::make_insn(is_long ? bpf::kCodeGotol : bpf::kCodeJa, 0, 0, 0, 0), origin);
    fixups_.push_back({uint32_t(out_.insns.size() - 1), to, block, is_long, bit});
  }

  Result<void> write() {
    out_.insns.clear(), out_.origin.clear(), out_.attachments.clear(), out_.core.clear(), fixups_.clear();
    out_.insns.reserve(in_.insns.size()), out_.origin.reserve(in_.insns.size());
    start_.assign(mf_.blocks.size(), 0);
    for (size_t k = 0; k < order_.size(); ++k) {
      uint32_t b = order_[k], next = k + 1 < order_.size() ? order_[k + 1] : kNone;
      start_[b] = uint32_t(out_.insns.size());
      const Chunk& chunk = chunks_[b];
      // Chunks are copied out of order only where edges were placed; their attachments are found again by
      // position.
      seek(chunk.begin);
      bool has_jump = chunk.ends_with == MKind::kJump || chunk.ends_with == MKind::kBranch ||
                      chunk.ends_with == MKind::kMayGoto;
      uint32_t body_end = chunk.end - (has_jump ? 1 : 0);
      for (uint32_t n = chunk.begin; n < body_end; ++n) copy_record(n);
      if (chunk.ends_with == MKind::kGotoX)
        for (MBlock s : mf_.succs(b))
          if (!mf_.blocks[s.index].block && !is_left_out(s.index))
            return fail("jump-table", "values would have to be moved on the way from a jump table");
      if (!has_jump) continue;
      // The verifier refuses a may_goto to the next instruction, which decides nothing.
      if (chunk.ends_with == MKind::kMayGoto && target(b, 0) == next && target(b, 1) == next) continue;
      uint32_t origin = in_.origin[chunk.end - 1];
      uint32_t first = target(b, 0);
      if (chunk.ends_with == MKind::kJump) {
        if (first != next) jump(first, b, 1, origin);
        continue;
      }
      branch(b, in_.insns[chunk.end - 1], origin, first, target(b, 1), next);
    }
    return {};
  }

  void branch(uint32_t b, bpf::Insn insn, uint32_t origin, uint32_t taken, uint32_t other, uint32_t next) {
    bool may_negate =
        insn.code != bpf::kCodeMayGoto && (insn.code & 0xf0) != bpf::kJset &&
        bpf::isa_of({.code = negated_code(insn.code)}) <= std::max(options_.isa, bpf::isa_of(insn));
    if (taken == next && other != next && may_negate) {
      insn.code = negated_code(insn.code);
      std::swap(taken, other);
    }
    if (long_[b] & 1) {
      // Around a long jump: `if !c goto +1; gotol L`, or `if c goto +1; goto +1; gotol L` where c has no
      // opposite.
      if (may_negate) {
        insn.code = negated_code(insn.code);
        insn.off = 1;
        add(insn, origin);
      } else {
        insn.off = 1;
        add(insn, origin);
        add(bpf::make_insn(bpf::kCodeJa, 0, 0, 1, 0), origin);
      }
      jump(taken, b, 1, origin);
    } else {
      add(insn, origin);
      fixups_.push_back({uint32_t(out_.insns.size() - 1), taken, b, false, 1});
    }
    if (other != next) jump(other, b, 2, origin);
  }

  uint8_t negated_code(uint8_t code) const {
    static constexpr std::pair<uint8_t, uint8_t> kPairs[] = {{bpf::kJeq, bpf::kJne},
                                                             {bpf::kJgt, bpf::kJle},
                                                             {bpf::kJge, bpf::kJlt},
                                                             {bpf::kJsgt, bpf::kJsle},
                                                             {bpf::kJsge, bpf::kJslt}};
    for (auto [a, b] : kPairs) {
      if ((code & 0xf0) == a) return uint8_t((code & 0x0f) | b);
      if ((code & 0xf0) == b) return uint8_t((code & 0x0f) | a);
    }
    return code;
  }

  void seek(uint32_t from) {
    attachment_ = size_t(std::ranges::lower_bound(in_.attachments, from, {}, &bpf::Attachment::insn) -
                         in_.attachments.begin());
    core_ = size_t(std::ranges::lower_bound(in_.core, from, {}, &bpf::CoreRecord::insn) - in_.core.begin());
  }

  const MFunction& mf_;
  std::vector<Chunk> chunks_;
  bpf::NewCode in_, out_;
  const LowerOptions& options_;
  std::vector<uint32_t> order_, start_;
  std::vector<uint8_t> long_;
  std::vector<uint8_t> forwards_;  // blocks of the input that only jump on, and are left out
  std::vector<Fixup> fixups_;
  size_t attachment_ = 0, core_ = 0;
};

}  // namespace

Result<bpf::NewCode> lay_out(const MFunction& mf, std::vector<Chunk> chunks, bpf::NewCode code,
                             const LowerOptions& options) {
  uint32_t stack = code.stack_bytes;
  auto out = Layout(mf, std::move(chunks), std::move(code), options).run();
  if (out) out->stack_bytes = stack;
  return out;
}

}  // namespace epass
