#include "analysis/ranges.h"

#include <set>

namespace epass {

class RangeSolver {
 public:
  RangeSolver(Ranges& ranges, const Cfg& cfg, const Users& users, const MemoryModel& memory)
      : ranges_(ranges), fn_(ranges.fn_), cfg_(cfg), users_(users), memory_(memory) {}

  void run() {
    for (Value v : fn_.params(fn_.entry())) ranges_.facts_.set(v, {});
    enter(fn_.entry());
    while (!pending_.empty()) {
      current_ = cfg_.rpo[*pending_.begin()];
      pending_.erase(pending_.begin());
      visit();
    }
  }

 private:
  static constexpr uint8_t kFew = 3, kMost = 6;  // changes of one value: then bounds go, then all

  void enter(Block b) {
    ranges_.reached_.at(b) = 1;
    pending_.insert(cfg_.number(b));
  }

  void visit() {
    const auto params = fn_.params(current_);
    if (current_ != fn_.entry())
      for (size_t n = 0; n < params.size(); ++n) raise(params[n], met(n));
    for (Inst i : fn_.insts_of(current_))
      if (fn_.insts[i].result && fn_.insts[i].op != Opcode::Const) raise(fn_.insts[i].result, made(i));
    leave(fn_.terminator(current_));
  }

  // Parameter `n`, of all edges that can be taken.
  Scalar met(size_t n) const {
    Scalar s = Scalar::none();
    for (Edge e : cfg_.incoming(current_)) {
      if (!taken_[e]) continue;
      const Block from = cfg_.source(e);
      const Value arg = fn_.resolve(fn_.args(e)[n]);
      Scalar along = ranges_.at(arg, from);
      const Inst end = fn_.terminator(from);
      const auto test = ranges_.test_of(end, e.index - fn_.insts[end].first_edge.index);
      if (test && fn_.operand(end, 0) == arg) test->tell(along);
      s = join(s, along);
    }
    return s;
  }

  Scalar made(Inst i) const {
    const InstData& d = fn_.insts[i];
    if (d.core != kNoCore) return {};
    if (d.op == Opcode::Load) return loaded(i);
    const bool unary = d.op == Opcode::Copy || is_unary(d.op);
    if (!unary && !is_binary(d.op)) return {};
    if (ranges_.options_.as_verified && !is_followed_by_verifiers(fn_, i)) return {};
    const Scalar a = ranges_.at(fn_.operand(i, 0), current_);
    return unary ? compute(d.op, d.width, a)
                 : compute(d.op, d.width, a, ranges_.at(fn_.operand(i, 1), current_));
  }

  // What is loaded from the context may be an address that the verifier knows by its 32-bit field.
  Scalar loaded(Inst i) const {
    const MemSize size = fn_.insts[i].size;
    if (size == MemSize::kU32) {
      const Region region = memory_.location(i).at.region;
      if (region == Region::kUnknown || region == Region::kContext) return {};
    }
    return Scalar::loaded(size);
  }

  void leave(Inst end) {
    const InstData& d = fn_.insts[end];
    std::optional<bool> way;
    if (is_conditional(d.op)) {
      const Scalar x = ranges_.at(fn_.operand(end, 0), current_);
      const Scalar y = ranges_.at(fn_.operand(end, 1), current_);
      if (x.is_none() || y.is_none()) return;
      way = decide(d.op, d.width, x, y);
    }
    for (uint32_t n = 0; n < d.edge_count; ++n) {
      if ((way && *way != (n == 0)) || taken_[fn_.edge(end, n)]) continue;
      taken_.at(fn_.edge(end, n)) = 1;
      enter(fn_.target(end, n));
    }
  }

  void raise(Value v, const Scalar& to) {
    const Scalar& kept = ranges_.facts_[v];
    if (kept == to) return;
    Scalar now = join(kept, to);
    if (now == kept) return;
    const uint8_t changes = ++changes_.at(v);
    if (changes > kFew) now = changes > kMost ? Scalar{} : widen(kept, now);
    ranges_.facts_.set(v, now);
    for (Inst user : users_.of(v)) {
      const InstData& d = fn_.insts[user];
      // What stands in this block is still to come.
      if (d.block != current_ && ranges_.is_reached(d.block)) enter(d.block);
      for (uint32_t n = 0; n < d.edge_count; ++n)
        if (taken_[fn_.edge(user, n)]) enter(fn_.target(user, n));
    }
  }

  Ranges& ranges_;
  const Function& fn_;
  const Cfg& cfg_;
  const Users& users_;
  const MemoryModel& memory_;
  Block current_ = {};
  std::set<uint32_t> pending_;  // blocks to visit, in reverse post-order
  SideTable<Edge, uint8_t> taken_ = SideTable<Edge, uint8_t>(0);
  SideTable<Value, uint8_t> changes_ = SideTable<Value, uint8_t>(0);
};

Ranges::Ranges(const Function& fn, const Cfg& cfg, const Dominators& dominators, const Users& users,
               const MemoryModel& memory, Options options)
    : fn_(fn), dominators_(dominators), options_(options), facts_(fn.values.size()) {
  if (options_.use_tests) find_tests(cfg);
  RangeSolver(*this, cfg, users, memory).run();
}

void Ranges::Facts::set(Value v, const Scalar& fact) {
  uint32_t& place = place_[v.index];
  if (fact == Scalar{}) {
    place = kAnything;
  } else if (place >= kSpecial) {
    kept_[place] = fact;
  } else {
    place = uint32_t(kept_.size());
    kept_.push_back(fact);
  }
}

void Ranges::find_tests(const Cfg& cfg) {
  constexpr uint32_t kMostTests = 16;
  for (Block b : cfg.rpo) {
    const auto incoming = cfg.incoming(b);
    if (incoming.size() != 1 || b == fn_.entry()) continue;
    const Inst end = fn_.terminator(cfg.source(incoming[0]));
    auto test = test_of(end, incoming[0].index - fn_.insts[end].first_edge.index);
    if (!test) continue;
    uint32_t& last = last_test_.at(fn_.operand(end, 0));
    if (last != kNoTest) test->count = tests_[last].count + 1;
    if (test->count > kMostTests) continue;
    test->block = b;
    test->before = last;
    last = uint32_t(tests_.size());
    tests_.push_back(*test);
  }
}

std::optional<Ranges::Test> Ranges::test_of(Inst end, uint32_t n) const {
  const InstData& d = fn_.insts[end];
  if (!options_.use_tests || !is_conditional(d.op)) return {};
  const auto c = fn_.constant(fn_.operand(end, 1), d.width);
  if (!c) return {};
  const bool held = n == 0;
  // Old verifiers learn nothing from two numbers that differ.
  const bool differ = d.op == (held ? Opcode::JumpNe : Opcode::JumpEq);
  if (differ && options_.as_verified) return {};
  return Test{.op = d.op, .width = d.width, .held = held, .constant = *c};
}

void Ranges::Test::tell(Scalar& of) const {
  Scalar right = Scalar::constant(constant);
  if (!of.is_none()) assume(op, width, held, of, right);
}

bool is_followed_by_verifiers(const Function& fn, Inst i) {
  const Opcode op = fn.insts[i].op;
  switch (op) {
    case Opcode::Copy:
    case Opcode::Add:
    case Opcode::Sub:
    case Opcode::And:
    case Opcode::ZExt32:
    case Opcode::SExt8:
    case Opcode::SExt16:
    case Opcode::SExt32: return true;
    case Opcode::UDiv:
    case Opcode::SDiv:
    case Opcode::UMod:
    case Opcode::SMod: return false;
    default: return is_binary(op) && fn.constant(fn.operand(i, 1), fn.insts[i].width);
  }
}

Scalar Ranges::of(Value v) const {
  v = fn_.resolve(v);
  if (const Inst i = fn_.def(v); i && fn_.insts[i].op == Opcode::Const)
    return fn_.insts[i].core == kNoCore ? Scalar::constant(uint64_t(fn_.insts[i].imm)) : Scalar{};
  return v.index < facts_.size() ? facts_[v] : Scalar{};
}

Scalar Ranges::at(Value v, Block b) const {
  v = fn_.resolve(v);
  Scalar s = of(v);
  for (uint32_t n = last_test_[v]; n != kNoTest; n = tests_[n].before)
    if (dominators_.dominates(tests_[n].block, b)) tests_[n].tell(s);
  return s;
}

}  // namespace epass
