// Computes what a branch chose.
//
//     jne.32 v0, 0, b2(1), b1                v1 = neg v0
//   b1:                                      v2 = lshr v1, 63
//     jump b2(0)                      =>     jump b2(v2)
//   b2(v3):                                b2(v3):
//     v4 = or v5, v3                         v4 = or v5, v3
//
// Of 0 and a power of two, by at most two instructions (passes/bit_of_test.h):
// the constants and the jump are three, so no record is added where a move
// comes along, and the verifier has a state less to walk. But it no longer
// knows which of the two it is, and what follows from that for the number
// tested. So only where the result becomes data: returned, or written where no
// load reads it; never tested, passed on or part of an address.

#include "analysis/analyses.h"
#include "ir/builder.h"
#include "ir/edit.h"
#include "pass/pass.h"
#include "passes/bit_of_test.h"
#include "passes/data_uses.h"

namespace epass {
namespace {

class Converter {
 public:
  Converter(Function& fn, Analyses& analyses)
      : fn_(fn),
        cfg_(analyses.cfg()),
        users_(analyses.users()),
        memory_(analyses.memory()),
        ranges_(fn, cfg_, analyses.dominators(), users_, memory_, {}) {}

  Changed run(PassContext& context) {
    Changed changed = Changed::kNothing;
    for (Block b : cfg_.rpo) {
      if (taken_[b] || !is_conditional(fn_.insts[fn_.terminator(b)].op) || !convert(b)) continue;
      context.count("if-convert.branches");
      changed = Changed::kControlFlow;
    }
    if (changed != Changed::kNothing) remove_unreachable_blocks(fn_);
    return changed;
  }

 private:
  // The edge by which edge `n` of the test leads on: itself, or that of a block
  // that only holds constants.
  Edge way(Inst end, size_t n) const {
    const Edge e = fn_.edge(end, n);
    const Block side = fn_.edges[e].to;
    if (cfg_.incoming(side).size() != 1 || !fn_.params(side).empty() ||
        fn_.blocks[side].table_target != kNoOrigin)
      return e;
    for (Inst i : fn_.insts_of(side)) {
      if (fn_.insts[i].op == Opcode::Jump) return fn_.edge(i, 0);
      if (fn_.insts[i].op != Opcode::Const) return e;
    }
    return e;
  }

  // A constant that only this edge needs.
  std::optional<uint64_t> own_constant(Value v) const {
    return users_.of(fn_.resolve(v)).size() == 1 ? fn_.constant(v, Width::k64) : std::nullopt;
  }

  bool is_same(Value a, Value b) const {
    if (fn_.resolve(a) == fn_.resolve(b)) return true;
    const auto x = fn_.constant(a, Width::k64), y = fn_.constant(b, Width::k64);
    return x && x == y;
  }

  bool convert(Block b) {
    const Inst end = fn_.terminator(b);
    const Edge ways[] = {way(end, 0), way(end, 1)};
    const Block meeting = fn_.edges[ways[0]].to;
    if (meeting != fn_.edges[ways[1]].to || fn_.edge(end, 0) == fn_.edge(end, 1)) return false;
    std::optional<size_t> which;
    for (size_t n = 0; n < fn_.params(meeting).size(); ++n) {
      if (is_same(fn_.args(ways[0])[n], fn_.args(ways[1])[n])) continue;
      if (which) return false;
      which = n;
    }
    if (!which) return false;
    const auto taken = own_constant(fn_.args(ways[0])[*which]);
    const auto otherwise = own_constant(fn_.args(ways[1])[*which]);
    if (!taken || !otherwise || !data_.ends_as_data(fn_.params(meeting)[*which])) return false;
    const auto steps = bit_of_test(fn_, ranges_, end, *taken, *otherwise);
    if (!steps || steps->list.size() > 2) return false;
    Builder build = Builder::before(fn_, end);
    Value v = steps->start;
    for (const Steps::Step& s : steps->list) {
      if (s.op == Opcode::Neg) {
        v = build.unary(s.op, s.width, v);
      } else {
        v = build.binary(s.op, s.width, v, s.right ? s.right : build.constant(int64_t(s.constant)));
      }
    }
    if (v != steps->start) fn_.values[v].home = fn_.home(fn_.params(meeting)[*which]);
    // Through the side that stands there, so that all else it carries is
    // defined.
    fn_.args(ways[0])[*which] = v;
    taken_.at(fn_.edges[fn_.edge(end, 0)].to) = taken_.at(meeting) = 1;
    keep_only_edge(fn_, b, 0);
    return true;
  }

  Function& fn_;
  const Cfg& cfg_;
  const Users& users_;
  const MemoryModel& memory_;
  const Ranges ranges_;
  const DataUses data_{fn_, cfg_, users_, memory_};
  SideTable<Block, uint8_t> taken_ = SideTable<Block, uint8_t>(0);  // what is known of them is out of date
};

}  // namespace

Result<Changed> if_convert(Function& fn, PassContext& context) {
  const Changed dead = drop_unreachable(fn, context);
  return dead | Converter(fn, context.analyses).run(context);
}

}  // namespace epass
