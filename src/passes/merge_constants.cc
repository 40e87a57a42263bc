// Lets constants be one that no test tells apart.
//
//   b1: jump b3(v1)  with v1 = 5                v1 = 0
//   b2: jump b3(v2)  with v2 = 7        =>      v2 = 0
//   b4: jump b3(v3)  with v3 = 100              v3 = 100
//   b3(v4):
//     jlt v4, 65, b5, b6       the only use
//
// The number of tries that a loop took, unrolled by the compiler, is such a value. The verifier keeps apart
// whatever constants come to a test: 128 of them are 128 walks of the code before it, two are two.

#include <map>

#include "analysis/analyses.h"
#include "ir/eval.h"
#include "pass/pass.h"

namespace epass {
namespace {

class Merger {
 public:
  Merger(Function& fn, Analyses& analyses) : fn_(fn), cfg_(analyses.cfg()), users_(analyses.users()) {}

  Changed run(PassContext& context) {
    for (Block b : cfg_.rpo) connect(b);
    for (Block b : cfg_.rpo) gather(b);
    bool changed = false;
    for (auto& [root, web] : webs_) {
      if (web.spoilt || web.tests.empty()) continue;
      // What each test says of a constant, and the first constant of which they all say that.
      std::map<std::vector<bool>, int64_t> kinds;
      for (Inst c : web.constants) {
        std::vector<bool> says;
        const auto value = uint64_t(fn_.insts[c].imm);
        // What a test sees may have lost its upper half on the way.
        for (const InstData& t : web.tests)
          for (uint64_t seen : {value, uint64_t(uint32_t(value))})
            says.push_back(eval_condition(t.op, t.width, seen, uint64_t(t.imm)));
        const auto [it, is_new] = kinds.try_emplace(says, fn_.insts[c].imm);
        if (is_new || it->second == fn_.insts[c].imm) continue;
        fn_.insts[c].imm = it->second;
        fn_.insts[c].form = Form::kNatural;
        context.count("merge-constants.merged");
        changed = true;
      }
    }
    return changed ? Changed::kInstructions : Changed::kNothing;
  }

 private:
  // Values that one constant may reach. Tests hold the constant they compare with in `imm`.
  struct Web {
    std::vector<InstData> tests = {};
    std::vector<Inst> constants = {};
    bool spoilt = false;  // something else than tests looks at it
  };

  static bool is_move(Opcode op) { return op == Opcode::Copy || op == Opcode::ZExt32; }

  // Values that pass on what they get.
  bool passes_on(Value v) const {
    const Inst i = fn_.values[v].inst;
    return i ? is_move(fn_.insts[i].op) : fn_.values[v].block != fn_.entry();
  }

  uint32_t root(Value v) {
    while (up_[v]) v = Value{up_[v] - 1};
    return v.index;
  }
  void join(Value a, Value b) {
    const uint32_t x = root(a), y = root(b);
    if (x != y) up_.at(Value{std::max(x, y)}) = std::min(x, y) + 1;
  }

  void connect(Block b) {
    for (Inst i : fn_.insts_of(b)) {
      const InstData& d = fn_.insts[i];
      if (is_move(d.op) && passes_on(fn_.operand(i, 0))) join(d.result, fn_.operand(i, 0));
      for (uint32_t n = 0; n < d.edge_count; ++n) {
        const Edge e = fn_.edge(i, n);
        const auto params = fn_.params(fn_.edges[e].to);
        for (size_t k = 0; k < params.size(); ++k)
          if (const Value v = fn_.resolve(fn_.args(e)[k]); passes_on(v)) join(v, params[k]);
      }
    }
  }

  void gather(Block b) {
    for (Inst i : fn_.insts_of(b)) {
      const InstData& d = fn_.insts[i];
      for (size_t n = 0; n < d.operand_count; ++n) {
        const Value v = fn_.operand(i, n);
        if (!passes_on(v) || is_move(d.op)) continue;
        Web& web = webs_[root(v)];
        const auto c =
            n == 0 && is_conditional(d.op) ? fn_.constant(fn_.operand(i, 1), d.width) : std::nullopt;
        web.spoilt |= !c;
        if (c) web.tests.push_back(d), web.tests.back().imm = int64_t(*c);
      }
      if (d.op == Opcode::Const && d.core == kNoCore) gather_constant(i);
    }
  }

  // A constant belongs to a web if nothing else has it.
  void gather_constant(Inst i) {
    const Value c = fn_.insts[i].result;
    std::optional<uint32_t> web;
    auto reaches = [&](Value v) {
      const uint32_t r = root(v);
      if (web && *web != r) return false;
      web = r;
      return true;
    };
    for (Inst user : users_.of(c)) {
      const InstData& d = fn_.insts[user];
      if (is_move(d.op) ? !reaches(d.result) : d.operand_count && is_operand(user, c)) return;
      for (uint32_t n = 0; n < d.edge_count; ++n) {
        const Edge e = fn_.edge(user, n);
        const auto params = fn_.params(fn_.edges[e].to);
        for (size_t k = 0; k < params.size(); ++k)
          if (fn_.resolve(fn_.args(e)[k]) == c && !reaches(params[k])) return;
      }
    }
    if (web) webs_[*web].constants.push_back(i);
  }

  bool is_operand(Inst i, Value v) const {
    for (size_t n = 0; n < fn_.insts[i].operand_count; ++n)
      if (fn_.operand(i, n) == v) return true;
    return false;
  }

  Function& fn_;
  const Cfg& cfg_;
  const Users& users_;
  SideTable<Value, uint32_t> up_ = SideTable<Value, uint32_t>(0);  // the value it was joined to, + 1
  std::map<uint32_t, Web> webs_;
};

}  // namespace

Result<Changed> merge_constants(Function& fn, PassContext& context) {
  return Merger(fn, context.analyses).run(context);
}

}  // namespace epass
