#pragma once
// Random functions in SSA form, valid by construction: loops, parallel moves, dead blocks, `undef`, CO-RE
// constants.

#include <vector>

#include "analysis/cfg.h"
#include "ir/builder.h"
#include "ir/dominators.h"

namespace epass {

class RandomFunction {
 public:
  explicit RandomFunction(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 0x1234567) {
    for (int n = 0; n < 4; ++n) next();
  }

  Function make() {
    fn_.name = "random";
    fn_.slots.add({.size = 16, .place = -16});
    fn_.slots.add({.size = 8});
    for (uint32_t n = 1 + pick(9); n > 0; --n) blocks_.push_back(fn_.add_block());
    for (uint32_t n = pick(4); n > 0; --n) fn_.add_param(blocks_[0], Home::reg(int(n)));
    for (size_t b = 1; b < blocks_.size(); ++b)
      for (uint32_t n = pick(4); n > 0; --n) fn_.add_param(blocks_[b], home());
    for (size_t b = 0; b < blocks_.size(); ++b) terminate(b);
    Cfg cfg(fn_);
    Dominators dominators(fn_);
    available_ = SideTable<Block, std::vector<Value>>(fn_.blocks.size(), {});
    for (Block b : cfg.rpo) {
      if (b != fn_.entry()) available_.at(b) = available_[dominators.idom(b)];
      fill(b);
    }
    // What nothing reaches may use what it likes.
    for (Block b : blocks_)
      if (!cfg.reachable(b)) available_.at(b) = available_[fn_.entry()], fill(b);
    return std::move(fn_);
  }

  uint32_t pick(uint32_t n) { return uint32_t(next() % n); }

 private:
  uint64_t next() { return state_ ^= state_ << 13, state_ ^= state_ >> 7, state_ ^= state_ << 17; }
  bool one_in(uint32_t n) { return pick(n) == 0; }
  Home home() {
    return one_in(3) ? Home{} : one_in(6) ? Home::stack(-8 * int(1 + pick(2))) : Home::reg(int(pick(10)));
  }

  // Mostly forward, so that most runs end; never to the entry.
  Block target(size_t from) {
    size_t first = one_in(5) ? 1 : from + 1;
    if (first >= blocks_.size()) first = 1;
    return blocks_[first + pick(uint32_t(blocks_.size() - first))];
  }

  void terminate(size_t b) {
    if (b + 1 == blocks_.size() || one_in(12)) {
      fn_.append(blocks_[b], {.op = Opcode::Return});
      return;
    }
    InstData d{.op = Opcode::Jump};
    uint32_t kind = pick(10), edges = 1;
    if (kind >= 3) {
      d.op = Opcode(int(Opcode::JumpEq) + int(pick(11))), d.width = one_in(2) ? Width::k32 : Width::k64,
      edges = 2;
      if (kind == 3) d = {.op = Opcode::MayGoto};
      if (kind == 4 && one_in(3)) d = {.op = Opcode::GotoX}, edges = 3;
    }
    std::vector<Block> targets;
    for (uint32_t n = 0; n < edges; ++n) targets.push_back(target(b));
    if (edges == 2 && one_in(8)) targets[1] = targets[0];
    fn_.set_targets(fn_.append(blocks_[b], d), targets);
  }

  Value value(Block b) {
    const std::vector<Value>& from = available_[b];
    // Near values are used more often.
    size_t window = one_in(2) ? from.size() : std::min<size_t>(from.size(), 4);
    return from[from.size() - 1 - pick(uint32_t(window))];
  }

  int64_t number() {
    constexpr int64_t kNumbers[] = {0,           1,         -1,        2,          3,          4,
                                    7,           8,         16,        31,         32,         63,
                                    64,          255,       0xffff,    0x7fffffff, 0x80000000, 0xffffffff,
                                    0x100000000, INT64_MIN, INT64_MAX, INT32_MIN};
    return one_in(4) ? int64_t(next()) >> pick(60) : kNumbers[pick(uint32_t(std::size(kNumbers)))];
  }

  void fill(Block b) {
    for (Value v : fn_.params(b)) available_.at(b).push_back(v);
    if (available_[b].empty()) add(b, {.op = Opcode::Const, .imm = number()}, {});
    for (uint32_t n = pick(12); n > 0; --n) instruction(b);
    Inst end = fn_.terminator(b);
    std::vector<Value> operands;
    size_t wanted = info(fn_.insts[end].op).operands;
    while (operands.size() < wanted) operands.push_back(value(b));
    fn_.set_operands(end, operands);
    for (uint32_t n = 0; n < fn_.insts[end].edge_count; ++n) {
      std::vector<Value> args;
      for (size_t k = fn_.params(fn_.target(end, n)).size(); k > 0; --k) args.push_back(value(b));
      fn_.set_args(fn_.edge(end, n), args);
    }
  }

  void add(Block b, InstData d, std::initializer_list<Value> operands) {
    d.origin = fn_.insts.size();
    std::span<const Value> list(operands.begin(), operands.size());
    Inst i = fn_.insert_before(fn_.terminator(b), d, list, info(d.op).has_result ? home() : Home{});
    if (fn_.insts[i].result) available_.at(b).push_back(fn_.insts[i].result);
  }

  void instruction(Block b) {
    auto constant = [&] {
      InstData d{.op = Opcode::Const, .imm = number(), .origin = fn_.insts.size() + 1};
      return fn_.insts[fn_.insert_before(fn_.terminator(b), d)].result;
    };
    Width width = one_in(2) ? Width::k32 : Width::k64;
    MemSize size = MemSize(pick(4));
    switch (pick(16)) {
      case 0: add(b, {.op = Opcode::Const, .imm = number()}, {}); break;
      case 1: add(b, {.op = Opcode::Copy}, {value(b)}); break;
      case 2: {
        Opcode op = Opcode(int(Opcode::Neg) + int(pick(14)));
        bool has_width = info(op).fields & kWidth;
        add(b, {.op = op, .width = has_width ? width : Width::k64}, {value(b)});
        break;
      }
      case 3: add(b, {.op = Opcode::SlotAddr, .imm = 8 * pick(2), .slot = Slot{0}}, {}); break;
      case 4:
        add(b, {.op = Opcode::Load, .size = MemSize(pick(7)), .offset = int16_t(pick(16))}, {value(b)});
        break;
      case 5:
        add(b, {.op = Opcode::Store, .size = size, .offset = int16_t(pick(16))}, {value(b), value(b)});
        break;
      case 6:
        if (one_in(2))
          add(b, {.op = Opcode::CallHelper, .imm = 1 + pick(5)}, {value(b), value(b)});
        else if (one_in(2))
          add(b, {.op = Opcode::FetchAdd, .size = one_in(2) ? MemSize::kU32 : MemSize::kU64},
              {value(b), value(b)});
        else if (one_in(4))
          add(b, {.op = Opcode::Undef}, {});
        else if (one_in(2))
          add(b, {.op = Opcode::Const, .imm = number(), .core = pick(4)}, {});
        else
          add(b, {.op = Opcode::LdAbs, .size = MemSize(pick(3)), .imm = pick(64)}, {value(b)});
        break;
      // Constants on the right are what rules look for; sometimes they stand on the left.
      case 7:
      case 8:
      case 9:
      case 10:
      case 11: {
        Value c = constant(), x = value(b);
        if (one_in(8)) std::swap(c, x);
        add(b, {.op = Opcode(int(Opcode::Add) + int(pick(13))), .width = width}, {x, c});
        break;
      }
      default: add(b, {.op = Opcode(int(Opcode::Add) + int(pick(13))), .width = width}, {value(b), value(b)});
    }
  }

  uint64_t state_;
  Function fn_;
  std::vector<Block> blocks_;
  SideTable<Block, std::vector<Value>> available_;
};

}  // namespace epass
