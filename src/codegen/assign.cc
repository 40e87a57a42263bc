// Gives every virtual register a location.
//
// 1. Home: each value gets the register it had in the input, if nobody else claims it there. An untouched
// function is
//    done after this step, since the input's own assignment has no conflicts.
// 2. The rest, heaviest first (uses per length): a free register, with hints from copies, calls and edges;
// else the
//    register whose holders weigh least together, if they weigh less: these are evicted and queue again.
// 3. What finds no register lives in a stack slot, or is made anew where it is used; each use gets a part of
// its own,
//    one per stretch of a block without calls, and one per instruction if that fails, too.

#include <cmath>
#include <queue>

#include "codegen/occupancy.h"
#include "codegen/spill.h"

namespace epass {
namespace {

constexpr float kInfinite = 1e30f;
constexpr int kRegisterOrder[] = {0, 6, 1, 7, 2, 8, 3, 9, 4, 5};
constexpr int kFirstPreserved = 6;

class Assigner {
 public:
  Assigner(MFunction& mf, const LowerOptions& options) : mf_(mf), options_(options), spiller_(mf) {
    for (int n = 0; n < options.registers; ++n) allowed_ |= 1u << kRegisterOrder[n];
  }

  Result<void> run() {
    find_clobbers();
    for (uint32_t n = 0; n < mf_.vregs.size(); ++n) measure(VReg{n});
    find_hints();
    assign_slots_of_homes();
    assign_homes();
    for (uint32_t n = 0; n < mf_.vregs.size(); ++n)
      if (mf_.vregs[n].loc == kUnassigned && mf_.vregs[n].segment_count) enqueue(VReg{n});
    while (!queue_.empty()) {
      VReg v = queue_.top().v;
      queue_.pop();
      if (mf_.reg(v).loc != kUnassigned) continue;
      if (auto ok = place(v); !ok) return ok;
    }
    define_undefined();
    return {};
  }

 private:
  // Instructions that lose r0-r5, and places where the target wants one register for itself.
  void find_clobbers() {
    for (uint32_t n = 0; n < mf_.insts.size(); ++n) {
      const MInst& inst = mf_.insts[n];
      if (inst.kind == MKind::kCall || inst.kind == MKind::kLdAbs) clobbers_.push_back(2 * n + 1);
      if (inst.kind == MKind::kLdAbs) registers_[6].add_fixed({2 * n, 2 * n + 1, inst.use[0]});
      if (inst.kind == MKind::kCmpXchg)
        registers_[0].add_fixed({2 * n, 2 * n + 1, lives_at(inst.use[1], 2 * n + 1) ? VReg{} : inst.use[1]});
    }
  }
  bool lives_at(VReg v, uint32_t at) const {
    return std::ranges::any_of(mf_.segments_of(v), [&](Segment s) { return s.start <= at && at < s.end; });
  }

  void measure(VReg v) {
    VRegData& reg = mf_.reg(v);
    uint64_t length = 0;
    for (Segment s : mf_.segments_of(v)) {
      length += s.end - s.start;
      auto clobber = std::ranges::upper_bound(clobbers_, s.start);
      if (clobber != clobbers_.end() && *clobber < s.end) reg.crosses_call = true;
    }
    uint32_t uses = reg.split ? 2 : mf_.uses_begin[v.index + 1] - mf_.uses_begin[v.index];
    if (reg.split == 0) reg.weight = float(uses) / float(length + 1);
    if (reg.split == 1) reg.weight = 4.0f * float(uses) / float(length + 1);
    if (reg.split == 2) reg.weight = kInfinite;
  }

  void enqueue(VReg v) { queue_.push({mf_.reg(v).weight, v}); }

  bool may_take(VReg v, int r) const {
    return (allowed_ >> r & 1) && (r >= kFirstPreserved || !mf_.reg(v).crosses_call);
  }

  void hint(VReg v, Loc loc) {
    VRegData& reg = mf_.reg(v);
    if (reg.hint == kUnassigned && is_register(loc) && loc < bpf::kFrameRegister) reg.hint = loc;
  }
  // Where neighbours want a value: fixed registers first, then homes of what it is copied to and from.
  void find_hints() {
    auto home = [&](VReg v) { return Home{mf_.reg(v).home}.is_reg() ? Loc(mf_.reg(v).home) : kUnassigned; };
    for (const MInst& inst : mf_.insts) {
      if (inst.kind == MKind::kCall) {
        auto args = mf_.lists.span(inst.list);
        for (size_t k = 0; k < args.size(); ++k) hint(args[k], Loc(k + 1));
        if (inst.def) hint(inst.def, 0);
      }
      if (inst.kind == MKind::kReturn && inst.use[0]) hint(inst.use[0], 0);
    }
    for (const MInst& inst : mf_.insts) {
      size_t tied = inst.kind == MKind::kFetch ? 1 : 0;
      if (inst.kind != MKind::kAlu && inst.kind != MKind::kCopy && inst.kind != MKind::kMove &&
          inst.kind != MKind::kFetch)
        continue;
      if (!inst.def || !inst.use[tied]) continue;
      hint(inst.def, home(inst.use[tied]));
      hint(inst.use[tied], home(inst.def));
    }
    for (uint32_t b = 0; b < mf_.blocks.size(); ++b) {
      for (MBlock p : mf_.preds(b)) {
        const MInst& end = mf_.insts[mf_.blocks[p.index].end - 1];
        auto args = mf_.lists.span(end.list);
        if (end.kind != MKind::kJump) continue;
        for (size_t k = 0; k < args.size(); ++k) {
          hint(mf_.block_params(b)[k], home(args[k]));
          hint(args[k], home(mf_.block_params(b)[k]));
        }
      }
    }
    // x86-64 names the low byte of r1, r2 and others with a prefix only.
    for (const MInst& inst : mf_.insts)
      if (inst.kind == MKind::kStore && !inst.imm_operand && bpf::access_bytes(inst.insn.code) == 1)
        hint(inst.use[1], 0);
  }

  // Spill slots of the input: values whose home is a slot stay there.
  void assign_slots_of_homes() {
    for (uint32_t n = 0; n < mf_.vregs.size(); ++n) {
      VReg v{n};
      VRegData& reg = mf_.reg(v);
      if (reg.loc != kUnassigned || !reg.segment_count || !Home{reg.home}.is_stack()) continue;
      spill(v);
    }
  }

  void assign_homes() {
    if (options_.homes != Homes::kKept) return;
    std::vector<std::vector<Occupancy::Entry>> claims(10);
    auto current = [](VReg) { return true; };
    for (uint32_t n = 0; n < mf_.vregs.size(); ++n) {
      VReg v{n};
      const VRegData& reg = mf_.reg(v);
      if (reg.loc != kUnassigned || !Home{reg.home}.is_reg() || reg.home > 9 || !may_take(v, reg.home))
        continue;
      if (!registers_[size_t(reg.home)].visit_overlaps(v, mf_.segments_of(v), current,
                                                       [](VReg) { return true; }))
        continue;
      for (Segment s : mf_.segments_of(v)) claims[size_t(reg.home)].push_back({s.start, s.end, v});
    }
    std::vector<uint8_t> loser(mf_.vregs.size());
    for (size_t r = 0; r < 10; ++r) {
      auto& list = claims[r];
      std::ranges::sort(list, {}, [](const auto& e) { return std::pair(e.start, e.holder.index); });
      const Occupancy::Entry* last = nullptr;
      for (const auto& e : list) {
        if (loser[e.holder.index]) continue;
        if (last && !loser[last->holder.index] && e.start < last->end) {
          bool keep_last = mf_.reg(last->holder).weight >= mf_.reg(e.holder).weight;
          loser[(keep_last ? e : *last).holder.index] = 1;
          if (keep_last) continue;
        }
        if (!last || loser[last->holder.index] || e.end > last->end) last = &e;
      }
      // A loser may have been compared before it lost; a second look keeps what is left disjoint.
      std::erase_if(list, [&](const auto& e) { return loser[e.holder.index]; });
      for (size_t k = 1; k < list.size(); ++k)
        if (list[k].start < list[k - 1].end) loser[list[k].holder.index] = 1;
      std::erase_if(list, [&](const auto& e) { return loser[e.holder.index]; });
      for (const auto& e : list) mf_.reg(e.holder).loc = Loc(r);
      registers_[r].set_base(std::move(list));
    }
  }

  Result<void> place(VReg v) {
    const VRegData& reg = mf_.reg(v);
    int order[13], count = 0;
    if (is_register(reg.hint) && options_.homes == Homes::kLast) order[count++] = reg.hint;
    if (Home{reg.home}.is_reg() && reg.home < 10) order[count++] = reg.home;
    if (is_register(reg.hint)) order[count++] = reg.hint;
    for (int r = 0; r < 10; ++r) order[count++] = r;
    float best_weight = reg.weight;
    int best = -1;
    for (int k = 0; k < count; ++k) {
      int r = order[k];
      if (!may_take(v, r)) continue;
      float weight = 0;
      bool possible = registers_[size_t(r)].visit_overlaps(
          v, mf_.segments_of(v), [&](VReg h) { return mf_.reg(h).loc == r && !evicted(h); },
          [&](VReg h) {
            weight = std::max(weight, mf_.reg(h).weight);
            return weight < best_weight;
          });
      if (!possible) continue;
      if (weight == 0) {
        take(v, r);
        return {};
      }
      if (weight < best_weight) best_weight = weight, best = r;
    }
    if (best >= 0) {
      evict(v, best);
      take(v, best);
      return {};
    }
    if (reg.split == 2)
      return fail("registers", "no register is left for one operand, with " +
                                   std::to_string(options_.registers) + " allowed");
    spill(v);
    return {};
  }

  void take(VReg v, int r) {
    mf_.reg(v).loc = Loc(r);
    registers_[size_t(r)].add(v, mf_.segments_of(v));
    if (v.index < moved_.size()) moved_[v.index] = 1;
  }

  // Base entries of a register that moved away do not count; if it ever comes back, it is among the added
  // ones.
  bool evicted(VReg v) const { return v.index < moved_.size() && moved_[v.index]; }

  void evict(VReg v, int r) {
    moved_.resize(mf_.vregs.size());
    std::vector<VReg> holders;
    registers_[size_t(r)].visit_overlaps(
        v, mf_.segments_of(v), [&](VReg h) { return mf_.reg(h).loc == r && !evicted(h); },
        [&](VReg h) {
          if (holders.empty() || holders.back() != h) holders.push_back(h);
          return true;
        });
    for (VReg h : holders) {
      if (mf_.reg(h).loc == kUnassigned) continue;
      registers_[size_t(r)].remove(h, mf_.segments_of(h));
      mf_.reg(h).loc = kUnassigned;
      moved_[h.index] = 1;
      enqueue(h);
    }
  }

  void spill(VReg v) {
    VRegData& reg = mf_.reg(v);
    if (reg.split == 0) {
      if (reg.remat != UINT32_MAX) {
        reg.loc = kRemat;
      } else {
        reg.loc = choose_slot(v);
      }
    }
    for (VReg part : spiller_.split(v)) {
      measure(part);
      enqueue(part);
    }
  }

  // The home slot if the value has one, else the first slot that is free, else a new one below the frame.
  Loc choose_slot(VReg v) {
    auto is_free = [&](Occupancy& slot) {
      return slot.visit_overlaps(
          v, mf_.segments_of(v), [](VReg) { return true; }, [](VReg) { return false; });
    };
    auto take_slot = [&](Loc offset) {
      slots_[-offset].add(v, mf_.segments_of(v));
      return offset;
    };
    Home home{mf_.reg(v).home};
    if (home.is_stack() && is_free(slots_[-home.code])) return take_slot(home.code);
    for (int16_t offset : mf_.free_slots)
      if (is_free(slots_[-offset])) return take_slot(offset);
    int offset = -((mf_.frame_bytes + 7) & ~7) - 8;
    mf_.frame_bytes = -offset;
    if (-offset > bpf::kStackSize) overflow_ = true, offset = -bpf::kStackSize;
    mf_.free_slots.push_back(int16_t(offset));
    return take_slot(Loc(offset));
  }

  // A value that is undefined on some path may be read there only by code that the input has, never by a move
  // of ours. Where such a move is needed, or the value lives in a slot, the undefined edges assign a zero.
  void define_undefined() {
    bool any = std::ranges::any_of(mf_.insts, [&](const MInst& inst) {
      return inst.kind == MKind::kJump &&
             std::ranges::any_of(mf_.lists.span(inst.list), [&](VReg v) { return mf_.reg(v).loc == kUndef; });
    });
    if (!any) return;
    std::vector<uint32_t> web(mf_.vregs.size());
    for (uint32_t n = 0; n < web.size(); ++n) web[n] = n;
    auto root = [&](VReg v) {
      uint32_t n = v.index;
      while (web[n] != n) n = web[n] = web[web[n]];
      return n;
    };
    auto each_edge = [&](auto visit) {
      for (uint32_t b = 0; b < mf_.blocks.size(); ++b)
        for (MBlock p : mf_.preds(b)) {
          const MInst& end = mf_.insts[mf_.blocks[p.index].end - 1];
          if (end.kind != MKind::kJump) continue;
          auto args = mf_.lists.span(end.list);
          for (size_t k = 0; k < args.size(); ++k) visit(mf_.block_params(b)[k], args[k]);
        }
    };
    // Undefinedness flows along edges; webs are few, so rounds are, too.
    for (bool changed = true; changed;) {
      changed = false;
      each_edge([&](VReg param, VReg arg) {
        bool undefined = mf_.reg(arg).loc == kUndef || mf_.reg(arg).maybe_undef;
        if (undefined && !mf_.reg(param).maybe_undef) mf_.reg(param).maybe_undef = changed = true;
      });
    }
    each_edge([&](VReg param, VReg arg) {
      if (mf_.reg(param).maybe_undef && mf_.reg(arg).maybe_undef) web[root(param)] = root(arg);
    });
    std::vector<uint8_t> moved(mf_.vregs.size());
    each_edge([&](VReg param, VReg arg) {
      if (!mf_.reg(param).maybe_undef) return;
      if (is_slot(mf_.reg(param).loc) || (mf_.reg(arg).maybe_undef && mf_.reg(arg).loc != mf_.reg(param).loc))
        moved[root(param)] = 1;
    });
    for (uint32_t n = 0; n < mf_.vregs.size(); ++n)
      if (mf_.vregs[n].maybe_undef) mf_.vregs[n].maybe_undef = moved[root(VReg{n})];
  }

 public:
  bool overflow_ = false;

 private:
  struct Item {
    float weight = 0;
    VReg v = {};
    bool operator<(const Item& other) const {
      return weight != other.weight ? weight < other.weight : v.index > other.v.index;
    }
  };
  MFunction& mf_;
  const LowerOptions& options_;
  Spiller spiller_;
  uint32_t allowed_ = 0;
  std::vector<uint32_t> clobbers_;
  std::array<Occupancy, 10> registers_;
  std::map<int, Occupancy> slots_;
  std::vector<uint8_t> moved_;
  std::priority_queue<Item> queue_;
};

}  // namespace

Result<void> assign_locations(MFunction& mf, const LowerOptions& options) {
  Assigner assigner(mf, options);
  if (auto ok = assigner.run(); !ok) return ok;
  if (assigner.overflow_ || mf.frame_bytes > options.stack_limit)
    return fail("stack-limit",
                "the new code needs more than " + std::to_string(options.stack_limit) + " bytes of stack");
  return {};
}

}  // namespace epass
