// Computes and loads only on the way that needs it.
//
//     v1 = load.u32 v0+4                   v2 = load.u32 v0+0
//     v2 = load.u32 v0+0                   jeq v2, 0, b2, b1
//     jeq v2, 0, b2, b1                  b1:
//   b1:                            =>      v1 = load.u32 v0+4
//     store.u32 v0+8, v1                   store.u32 v0+8, v1
//   ...                                  ...
//   b2: (does not use v1)                b2:
//
// The other way is spared it, at run time and in the verifier. Goes down blocks with one way in, so nothing
// runs more often than before, what was proven of a pointer still is, and no loop is entered. Not over what
// may write what is loaded, and only where what the instruction reads lives on anyway: where the value of a
// register would have to be kept for it, there would be nothing gained.

#include <algorithm>

#include "pass/pass.h"
#include "passes/motion.h"

namespace epass {
namespace {

class Sinker {
 public:
  Sinker(Function& fn, Analyses& analyses)
      : fn_(fn),
        cfg_(analyses.cfg()),
        users_(analyses.users()),
        dominators_(analyses.dominators()),
        motion_(fn, analyses) {}

  Changed run(PassContext& context) {
    Changed changed = Changed::kNothing;
    // From below, so that what makes an operand comes after what uses it.
    for (size_t k = cfg_.rpo.size(); k-- > 0;) {
      if (fn_.insts[fn_.terminator(cfg_.rpo[k])].op == Opcode::Return) continue;
      for (Inst i = fn_.terminator(cfg_.rpo[k]), before; i; i = before) {
        before = fn_.insts[i].prev;
        if (!motion_.is_movable(i) || users_.of(fn_.insts[i].result).empty()) continue;
        const auto way = way_down(i);
        if (way.empty()) continue;
        if (const char* why = obstacle(i, way)) {
          context.missed(fn_, i, why);
          continue;
        }
        // The constants that move along may stand right before it.
        while (before && fn_.insts[before].operand_count == 0 && is_operand(i, before))
          before = fn_.insts[before].prev;
        motion_.move(i, fn_.blocks[way.back()].first);
        context.count(fn_.insts[i].op == Opcode::Load ? "sink.loads" : "sink.computed");
        changed = Changed::kInstructions;
      }
    }
    return changed;
  }

 private:
  static constexpr size_t kFarthest = 256;  // blocks up from the users, instructions on the way

  bool is_operand(Inst i, Inst def) const {
    for (size_t n = 0; n < fn_.operands(i).size(); ++n)
      if (fn_.def(fn_.operand(i, n)) == def) return true;
    return false;
  }

  // The blocks below that of `i`, each with no way in but from the one before, down to the last that all
  // users stand in or below. None if the end of its own block needs it, or there is no choice on the way.
  std::vector<Block> way_down(Inst i) const {
    const Block from = fn_.insts[i].block;
    Block to = {};
    size_t steps = 0;
    for (Inst user : users_.of(fn_.insts[i].result)) {
      const Block b = fn_.insts[user].block;
      if (b == from || !cfg_.reachable(b)) return {};
      if (!to) to = b;
      for (; !dominators_.dominates(to, b); to = dominators_.idom(to))
        if (++steps > kFarthest) return {};
    }
    std::vector<Block> way;
    for (Block b = to; b != from; b = dominators_.idom(b)) {
      if (++steps > kFarthest) return {};
      way.push_back(b);
    }
    std::ranges::reverse(way);
    size_t end = 0, n = 0;
    for (Block above = from; n < way.size(); above = way[n++]) {
      if (cfg_.incoming(way[n]).size() != 1 || cfg_.source(cfg_.incoming(way[n])[0]) != above) break;
      if (fn_.insts[fn_.terminator(above)].op != Opcode::Jump) end = n + 1;
    }
    way.resize(end);
    return way;
  }

  // What speaks against moving `i` to the start of the last block, or null.
  const char* obstacle(Inst i, const std::vector<Block>& way) const {
    for (size_t n = 0; n < fn_.operands(i).size(); ++n) {
      const Value v = fn_.operand(i, n);
      if (!motion_.is_made_anew(v) && !motion_.lives_at(v, way.back(), i))
        return "what it reads would live longer";
    }
    size_t steps = 0;
    for (size_t n = 0; n < way.size(); ++n) {
      for (Inst k = n ? fn_.blocks[way[n - 1]].first : fn_.next(i); k; k = fn_.next(k)) {
        if (++steps > kFarthest) return "what uses it is far away";
        if (motion_.is_changed_by(i, k)) return "something on the way may write what it reads";
      }
    }
    return nullptr;
  }

  Function& fn_;
  const Cfg& cfg_;
  const Users& users_;
  const Dominators& dominators_;
  Motion motion_;
};

}  // namespace

Result<Changed> sink(Function& fn, PassContext& context) { return Sinker(fn, context.analyses).run(context); }

}  // namespace epass
