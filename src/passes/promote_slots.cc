// Makes private stack slots into values: spills of the compiler, and variables that kept a place in the
// frame.
//
//     store.u64 s0+8, v1                       v3 = copy v1      :fp-8
//     call foo#5()                   =>        call foo#5()
//     v2 = load.u64 s0+8   :r1                 v2 = copy v3      :r1
//
// A slot is private if only aligned loads and stores of 8 bytes touch it, or of its lower 4, and written on
// every path to a read: the verifier lets privileged programs read stack that nothing wrote, but never a
// register. The copies keep the slot as their home, so what still has to live in memory goes where it was.

#include <bit>

#include "ir/builder.h"
#include "ir/edit.h"
#include "pass/pass.h"

namespace epass {
namespace {

using SlotMask = uint64_t;  // bit n: the word at fp-8(n+1)

class Promotion {
 public:
  Promotion(Function& fn, Analyses& analyses) : fn_(fn), cfg_(analyses.cfg()), stack_(analyses.stack()) {}

  Changed run(PassContext& context) {
    slots_ = stack_.private_words();
    if (context.remarks) explain(context, ~slots_, stack_.complete() ? kShared : kLost);
    const SlotMask early = slots_ ? find_live() : 0;
    if (context.remarks) explain(context, slots_ & early, "its slot may be read before it is written");
    slots_ &= ~early;
    if (!slots_) return Changed::kNothing;
    for (int n = 0; n < std::popcount(slots_); ++n) context.count("promote-slots.slots");
    count_ = size_t(std::popcount(slots_));
    held_.resize(count_ * cfg_.rpo.size());
    for (Block b : cfg_.rpo) rename(b);
    for (Block b : cfg_.rpo) connect(b);
    return Changed::kInstructions;
  }

 private:
  static constexpr auto kShared = "another access or a callee may touch the same slot";
  static constexpr auto kLost = "an address of the stack goes where it cannot be followed";

  void explain(const PassContext& context, SlotMask slots, std::string_view reason) const {
    for (Block b : cfg_.rpo)
      for (Inst i : fn_.insts_of(b))
        if (const int slot = stack_.word_of(i); slot >= 0 && (slots >> slot & 1))
          context.missed(fn_, i, reason);
  }

  // Fills in which slots are read before they are written from the start of each block on; returns that of
  // the entry.
  SlotMask find_live() {
    SideTable<Block, SlotMask> reads, writes;
    for (Block b : cfg_.rpo) {
      for (Inst i : fn_.insts_of(b)) {
        const int slot = stack_.word_of(i);
        const SlotMask bit = slot < 0 ? 0 : slots_ & SlotMask{1} << slot;
        (fn_.insts[i].op == Opcode::Store ? writes : reads).at(b) |= bit & ~writes[b];
      }
    }
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t k = cfg_.rpo.size(); k-- > 0;) {
        const Block b = cfg_.rpo[k];
        const Inst end = fn_.terminator(b);
        SlotMask live = 0;
        for (uint32_t n = 0; n < fn_.insts[end].edge_count; ++n) live |= live_[fn_.target(end, n)];
        live = reads[b] | (live & ~writes[b]);
        changed |= live != live_[b];
        live_.at(b) = live;
      }
    }
    return live_[fn_.entry()];
  }

  // What a slot holds where the walk through `b` stands, in the end at its end. None: not known yet.
  Value& held(Block b, int slot) {
    const int index = std::popcount(slots_ & ((SlotMask{1} << slot) - 1));
    return held_[count_ * cfg_.number(b) + size_t(index)];
  }

  template <class Visit>
  void each_live(Block b, Visit visit) const {
    for (SlotMask rest = live_[b] & slots_; rest; rest &= rest - 1) visit(std::countr_zero(rest));
  }

  // What a slot holds where `b` begins: the one value that all predecessors leave there, else a parameter.
  Value at_begin(Block b, int slot) {
    Value only;
    for (Edge e : cfg_.incoming(b)) {
      const Value left = held(cfg_.source(e), slot);
      if (!left || (only && left != only)) {
        params_.at(b) |= SlotMask{1} << slot;
        return fn_.add_param(b, Home::stack(-8 * (slot + 1)));
      }
      only = left;
    }
    return only;
  }

  void rename(Block b) {
    each_live(b, [&](int slot) { held(b, slot) = at_begin(b, slot); });
    for (Inst i = fn_.blocks[b].first, next; i; i = next) {
      next = fn_.next(i);
      const int slot = stack_.word_of(i);
      if (slot < 0 || !(slots_ >> slot & 1)) continue;
      Value& now = held(b, slot);
      if (fn_.insts[i].op == Opcode::Load) {
        fn_.insts[i].op = Opcode::Copy;
        fn_.insts[i].size = MemSize::kU64;
        fn_.insts[i].offset = 0;
        fn_.set_operands(i, std::span(&now, 1));
        continue;
      }
      Value stored = fn_.operand(i, 1);
      if (fn_.insts[i].size == MemSize::kU32) stored = Builder::before(fn_, i).zext32(stored);
      fn_.insts[i].size = MemSize::kU64;
      now = fn_.become_copy(i, stored, Home::stack(-8 * (slot + 1)));
    }
  }

  void connect(Block b) {
    for (SlotMask rest = params_[b]; rest; rest &= rest - 1)
      for (Edge e : cfg_.incoming(b)) fn_.add_arg(e, held(cfg_.source(e), std::countr_zero(rest)));
  }

  Function& fn_;
  const Cfg& cfg_;
  const StackAddresses& stack_;
  SlotMask slots_ = 0;
  size_t count_ = 0;
  SideTable<Block, SlotMask> live_, params_;
  std::vector<Value> held_;  // count_ for each block in reverse post-order
};

}  // namespace

Result<Changed> promote_slots(Function& fn, PassContext& context) {
  const Changed dead = drop_unreachable(fn, context);
  return dead | Promotion(fn, context.analyses).run(context);
}

}  // namespace epass
