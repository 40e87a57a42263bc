// Writes the target code: moves between locations, instructions with their registers, blocks in their final
// order, jumps. Blocks on split edges that turned out empty disappear.

#include "codegen/layout.h"
#include "codegen/machine.h"
#include "codegen/tidy.h"

namespace epass {
namespace {

struct Move {
  Loc to = 0;
  Loc from = 0;  // kRemat: made from `remat`
  const Remat* remat = nullptr;
};

class Emitter {
 public:
  Emitter(const MFunction& mf, const LowerOptions& options)
      : mf_(mf), options_(options), frame_bytes_(mf.frame_bytes) {}

  Result<bpf::NewCode> run() {
    const size_t records = mf_.insts.size() + mf_.insts.size() / 4;  // about
    code_.insns.reserve(records), code_.origin.reserve(records);
    chunks_.reserve(mf_.blocks.size());
    for (uint32_t b = 0; b < mf_.blocks.size(); ++b) emit_block(b);
    if (frame_bytes_ > options_.stack_limit)
      return fail("stack-limit", "the new code needs " + std::to_string(frame_bytes_) + " bytes of stack");
    code_.stack_bytes = uint32_t(frame_bytes_);
    if (options_.tidy) {
      tidy(mf_, chunks_, code_);
      share_edges(mf_, chunks_, code_);
    }
    return lay_out(mf_, std::move(chunks_), std::move(code_), options_);
  }

 private:
  Loc loc(VReg v) const { return mf_.reg(v).loc; }

  bpf::Insn& push(bpf::Insn insn) {
    code_.insns.push_back(insn);
    code_.origin.push_back(origin_);
    return code_.insns.back();
  }

  void make(uint8_t r, const Remat& m) {
    uint32_t at = uint32_t(code_.insns.size());
    bool wide = m.kind == Remat::kSymbol || (m.kind == Remat::kConst && m.form == Form::kLdImm64);
    if (m.kind == Remat::kConst && !wide) {
      bool fits64 = m.imm == int32_t(m.imm),
           fits32 = m.imm == uint32_t(m.imm) && options_.isa >= bpf::Isa::kV3;
      if (fits32 && (m.form == Form::kMov32 || !fits64)) {
        push(bpf::make_insn(bpf::kAlu | bpf::kMov | bpf::kK, r, 0, 0, int32_t(m.imm)));
      } else if (fits64) {
        push(bpf::make_insn(bpf::kAlu64 | bpf::kMov | bpf::kK, r, 0, 0, int32_t(m.imm)));
      } else {
        wide = true;
      }
    }
    if (m.kind == Remat::kSlot) {
      push(bpf::make_insn(bpf::kAlu64 | bpf::kMov | bpf::kX, r, bpf::kFrameRegister, 0, 0));
      if (m.imm) push(bpf::make_insn(bpf::kAlu64 | bpf::kAdd | bpf::kK, r, 0, 0, int32_t(m.imm)));
    }
    if (wide) {
      push(bpf::make_insn(bpf::kCodeLdImm64, r, m.pseudo, 0, int32_t(m.imm)));
      push(bpf::make_insn(0, 0, 0, 0, int32_t(m.imm >> 32)));
      if (m.symbol) code_.attachments.push_back({at, m.symbol});
    }
    if (m.core != kNoCore) code_.core.push_back({at, m.core});
  }

  void move(Move m, uint32_t n, uint32_t busy) {
    if (m.from == m.to || m.from == kUndef) return;
    if (m.from == kRemat) {
      if (is_register(m.to)) return make(uint8_t(m.to), *m.remat);
      bool small =
          m.remat->kind == Remat::kConst && m.remat->imm == int32_t(m.remat->imm) && m.remat->core == kNoCore;
      if (small) {
        push(bpf::make_insn(bpf::kSt | bpf::kMem | bpf::kDw, bpf::kFrameRegister, 0, m.to,
                            int32_t(m.remat->imm)));
        return;
      }
      with_scratch(n, busy, [&](uint8_t r) { make(r, *m.remat), store(r, m.to); });
    } else if (is_register(m.to)) {
      if (is_register(m.from)) {
        push(bpf::make_insn(bpf::kAlu64 | bpf::kMov | bpf::kX, uint8_t(m.to), uint8_t(m.from), 0, 0));
      } else {
        fill(uint8_t(m.to), m.from);
      }
    } else if (is_register(m.from)) {
      store(uint8_t(m.from), m.to);
    } else {
      with_scratch(n, busy, [&](uint8_t r) { fill(r, m.from), store(r, m.to); });
    }
  }
  void fill(uint8_t r, Loc slot) {
    push(bpf::make_insn(bpf::kLdx | bpf::kMem | bpf::kDw, r, bpf::kFrameRegister, slot, 0));
  }
  void store(uint8_t r, Loc slot) {
    push(bpf::make_insn(bpf::kStx | bpf::kMem | bpf::kDw, bpf::kFrameRegister, r, slot, 0));
  }

  // A register that nobody needs at instruction `n` and that is not in `busy`; else one that is saved
  // meanwhile.
  template <class Body>
  void with_scratch(uint32_t n, uint32_t busy, Body body) {
    uint32_t live = busy | live_registers(n);
    for (uint8_t r = 0; r < 10; ++r)
      if (!(live >> r & 1)) return body(r);
    uint8_t victim = 0;
    while (victim < 9 && (busy >> victim & 1)) ++victim;
    Loc slot = Loc(-(((mf_.frame_bytes + 7) & ~7) + 8 * ++saved_));
    frame_bytes_ = std::max(frame_bytes_, -int(slot));
    store(victim, slot);
    body(victim);
    fill(victim, slot);
    --saved_;
  }

  uint32_t live_registers(uint32_t n) {
    if (!indexed_) {
      indexed_ = true;
      for (uint32_t v = 0; v < mf_.vregs.size(); ++v)
        if (is_register(mf_.vregs[v].loc) && mf_.vregs[v].loc < 10)
          for (Segment s : mf_.segments_of(VReg{v})) live_[size_t(mf_.vregs[v].loc)].push_back(s);
      for (auto& list : live_) std::ranges::sort(list, {}, &Segment::start);
    }
    uint32_t mask = 0;
    for (uint32_t r = 0; r < 10; ++r) {
      auto s = std::ranges::partition_point(live_[r], [&](Segment x) { return x.end <= 2 * n; });
      if (s != live_[r].end() && s->start < 2 * n + 2) mask |= 1u << r;
    }
    return mask;
  }

  Move move_of(Loc to, VReg from) const { return {to, loc(from), mf_.remat(from)}; }

  // `moves_` all at once: no move may read what another has overwritten.
  void parallel(uint32_t n) {
    std::vector<Move>& moves = moves_;
    std::erase_if(moves,
                  [](const Move& m) { return m.from == m.to || m.from == kUndef || m.to == kUnassigned; });
    uint32_t busy = 0;
    for (const Move& m : moves) {
      if (is_register(m.to) && m.to < 10) busy |= 1u << m.to;
      if (is_register(m.from) && m.from < 10) busy |= 1u << m.from;
    }
    std::ranges::stable_partition(moves, [](const Move& m) { return m.from != kRemat; });
    while (!moves.empty()) {
      auto ready = std::ranges::find_if(moves, [&](const Move& m) {
        return std::ranges::none_of(moves,
                                    [&](const Move& other) { return &other != &m && other.from == m.to; });
      });
      if (ready != moves.end()) {
        move(*ready, n, busy);
        moves.erase(ready);
        continue;
      }
      // Only cycles are left: open one through a register that is not part of any.
      Move first = moves.front();
      moves.erase(moves.begin());
      with_scratch(n, busy, [&](uint8_t r) {
        move({Loc(r), first.from}, n, busy);
        std::vector<Move> rest = std::exchange(moves, {});
        for (Move m : order_chain(rest, first.from)) move(m, n, busy | 1u << r);
        move({first.to, Loc(r)}, n, busy);
        moves = std::move(rest);
      });
    }
  }

  // Takes the moves of the cycle that starts by overwriting `at` out of `rest`, in an order that is safe.
  static std::vector<Move> order_chain(std::vector<Move>& rest, Loc at) {
    std::vector<Move> chain;
    for (;;) {
      auto next = std::ranges::find_if(rest, [&](const Move& m) { return m.to == at; });
      if (next == rest.end()) return chain;
      at = next->from;
      chain.push_back(*next);
      rest.erase(next);
    }
  }

  void emit_block(uint32_t b) {
    const MBlockData& block = mf_.blocks[b];
    uint32_t begin = uint32_t(code_.insns.size());
    if (b == 0) {
      moves_.clear();
      for (size_t k = 0; k < mf_.params.size(); ++k) moves_.push_back({loc(mf_.params[k]), Loc(k + 1)});
      parallel(0);
    }
    for (uint32_t n = block.begin; n < block.end; ++n) emit_inst(n, block);
    chunks_.push_back({begin, uint32_t(code_.insns.size()), mf_.insts[block.end - 1].kind});
  }

  void emit_inst(uint32_t n, const MBlockData& block) {
    const MInst& inst = mf_.insts[n];
    if (inst.origin != kNoOrigin) origin_ = inst.origin;
    for (size_t k = 0; k < 3; ++k) {
      VReg v = inst.use[k];
      bool again = k > 0 && (v == inst.use[0] || (k > 1 && v == inst.use[1]));
      if (v && !again) reload(v, n);
    }
    for (VReg v : mf_.lists.span(inst.list)) reload(v, n);
    Loc def = inst.def ? loc(inst.def) : kUnassigned;
    auto use = [&](size_t k) { return uint8_t(loc(inst.use[k])); };
    bpf::Insn insn = inst.insn;
    switch (inst.kind) {
      case MKind::kMake:
        if (def != kRemat && def != kUnassigned) move({def, kRemat, mf_.remat(inst.def)}, n, 0);
        break;
      case MKind::kCopy:
        if (def != kUnassigned) move(move_of(def, inst.use[0]), n, 0);
        break;
      case MKind::kAlu:
        move(move_of(def, inst.use[0]), n, 0);
        insn.set_dst(uint8_t(def));
        if (!inst.imm_operand) insn.set_src(use(1));
        put(insn, inst);
        break;
      case MKind::kMove:
      case MKind::kLoad:
        insn.set_dst(uint8_t(def)), insn.set_src(use(0));
        put(insn, inst);
        break;
      case MKind::kStore:
        insn.set_dst(use(0));
        if (!inst.imm_operand) insn.set_src(use(1));
        put(insn, inst);
        break;
      case MKind::kFetch:
        move(move_of(def, inst.use[1]), n, 0);
        insn.set_dst(use(0)), insn.set_src(uint8_t(def));
        put(insn, inst);
        break;
      case MKind::kCmpXchg:
        move(move_of(0, inst.use[1]), n, 0);
        insn.set_dst(use(0)), insn.set_src(use(2));
        put(insn, inst);
        if (inst.def) move({def, 0}, n, 1);
        break;
      case MKind::kLdAbs:
        move(move_of(6, inst.use[0]), n, 0);
        if (inst.use[1]) insn.set_src(use(1));
        put(insn, inst);
        if (inst.def) move({def, 0}, n, 1);
        break;
      case MKind::kCall: {
        auto args = mf_.lists.span(inst.list);
        moves_.clear();
        for (size_t k = 0; k < args.size(); ++k) moves_.push_back(move_of(Loc(k + 1), args[k]));
        parallel(n);
        if (inst.use[0]) insn.set_dst(use(0));
        put(insn, inst);
        if (inst.def) move({def, 0}, n, 1);
        break;
      }
      case MKind::kBranch:
        insn.set_dst(use(0));
        if (!inst.imm_operand) insn.set_src(use(1));
        put(insn, inst);
        break;
      case MKind::kGotoX: insn.set_dst(use(0)); [[fallthrough]];
      case MKind::kMayGoto: put(insn, inst); break;
      case MKind::kJump: {
        auto args = mf_.lists.span(inst.list);
        moves_.clear();
        auto params = mf_.block_params(mf_.neighbours.span(block.succs)[0].index);
        for (size_t k = 0; k < args.size(); ++k) {
          static constexpr Remat kZero{.kind = Remat::kConst};
          bool define = mf_.reg(params[k]).maybe_undef && loc(args[k]) == kUndef;
          moves_.push_back(define ? Move{loc(params[k]), kRemat, &kZero} : move_of(loc(params[k]), args[k]));
        }
        parallel(n);
        put(bpf::make_insn(bpf::kCodeJa, 0, 0, 0, 0), inst);
        break;
      }
      case MKind::kReturn:
        if (inst.use[0]) move(move_of(0, inst.use[0]), n, 0);
        put(insn, inst);
        break;
      case MKind::kUnreachable: break;
    }
    if (inst.def && mf_.reg(inst.def).parent && is_slot(loc(mf_.reg(inst.def).parent)))
      store(uint8_t(def), loc(mf_.reg(inst.def).parent));
  }

  void put(bpf::Insn insn, const MInst& inst) {
    uint32_t at = uint32_t(code_.insns.size());
    push(insn);
    if (inst.symbol) code_.attachments.push_back({at, inst.symbol});
    if (inst.core != kNoCore) code_.core.push_back({at, inst.core});
  }

  // Parts that a definition did not make are loaded in front of their first reader.
  void reload(VReg v, uint32_t n) {
    const VRegData& reg = mf_.reg(v);
    if (!reg.parent || reg.def_at != UINT32_MAX || mf_.segments_of(v).front().start != 2 * n) return;
    move(move_of(reg.loc, reg.parent), n, 0);
  }

  const MFunction& mf_;
  const LowerOptions& options_;
  bpf::NewCode code_;
  std::vector<Chunk> chunks_;
  std::vector<Move> moves_;
  std::array<std::vector<Segment>, 10> live_;
  uint32_t origin_ = 0;
  int frame_bytes_;
  int saved_ = 0;
  bool indexed_ = false;
};

}  // namespace

Result<bpf::NewCode> emit(const MFunction& mf, const LowerOptions& options) {
  return Emitter(mf, options).run();
}

}  // namespace epass
