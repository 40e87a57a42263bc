#include "passes/null_tests.h"

#include <optional>

#include "ir/edit.h"

namespace epass {
namespace {

class NullTests {
 public:
  NullTests(const Function& fn, Analyses& analyses)
      : fn_(fn), cfg_(analyses.cfg()), dominators_(analyses.dominators()), users_(analyses.users()) {}

  void add(Value v) {
    for (Inst i : users_.of(v)) {
      const InstData& d = fn_.insts[i];
      if (d.op == Opcode::Copy) add(d.result);
      const bool is_test = (d.op == Opcode::JumpEq || d.op == Opcode::JumpNe) && d.width == Width::k64;
      if (!is_test || fn_.operand(i, 0) != v || fn_.target(i, 0) == fn_.target(i, 1)) continue;
      if (fn_.constant(fn_.operand(i, 1), Width::k64) == 0u) tests_.push_back(i);
    }
  }

  // Tests, and the edge that they always take.
  std::vector<std::pair<Inst, uint32_t>> decided() const {
    std::vector<std::pair<Inst, uint32_t>> out;
    for (Inst end : tests_)
      if (const auto is_null = known_at(end)) out.emplace_back(end, *is_null == asks_null(end) ? 0 : 1);
    return out;
  }

 private:
  bool asks_null(Inst end) const { return fn_.insts[end].op == Opcode::JumpEq; }

  // Whether it is null where `end` tests it, if another test has told.
  std::optional<bool> known_at(Inst end) const {
    for (Inst other : tests_) {
      if (other == end) continue;
      for (uint32_t n = 0; n < 2; ++n) {
        const Block to = fn_.target(other, n);
        if (cfg_.incoming(to).size() == 1 && dominators_.dominates(to, fn_.insts[end].block))
          return asks_null(other) == (n == 0);
      }
    }
    return {};
  }

  const Function& fn_;
  const Cfg& cfg_;
  const Dominators& dominators_;
  const Users& users_;
  std::vector<Inst> tests_;
};

}  // namespace

uint32_t decide_null_tests(Function& fn, Analyses& analyses,
                           const std::map<Value, std::vector<Value>>& same) {
  std::vector<std::pair<Inst, uint32_t>> decided;
  for (const auto& [first, others] : same) {
    NullTests tests(fn, analyses);
    tests.add(first);
    for (Value v : others) tests.add(v);
    for (const auto& test : tests.decided()) decided.push_back(test);
  }
  for (const auto& [end, n] : decided) keep_only_edge(fn, fn.insts[end].block, n);
  return uint32_t(decided.size());
}

}  // namespace epass
