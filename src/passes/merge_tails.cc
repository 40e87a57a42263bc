// Lets blocks that end alike share their end.
//
//   b1:                                     b1:
//     store.u32 v0+0, 1                       jump b4(v1)
//     v2 = add v1, 1                        b2:
//     jump b3(v2)                     =>      jump b4(v0)
//   b2:                                     b4(v6):
//     store.u32 v0+0, 1                       store.u32 v0+0, 1
//     v3 = add v0, 1                          v7 = add v6, 1
//     jump b3(v3)                             jump b3(v7)
//
// Operands that differ become parameters. Not where one instruction would then get different kinds of
// pointers: the verifier refuses that.

#include <algorithm>

#include "ir/builder.h"
#include "pass/pass.h"
#include "passes/tails.h"

namespace epass {
namespace {

class TailMerger {
 public:
  TailMerger(Function& fn, PassContext& context)
      : fn_(fn), context_(context), cfg_(context.analyses.cfg()), memory_(context.analyses.memory()) {}

  Changed run() {
    std::vector<std::vector<Tail>> alike = find_alike(fn_, cfg_);
    for (std::vector<Tail>& tails : alike) merge_group(tails);
    return changed_ ? Changed::kControlFlow : Changed::kNothing;
  }

 private:
  // Neighbours in the order of their last instructions share the longest ends.
  void merge_group(std::vector<Tail>& tails) {
    std::ranges::stable_sort(tails, {}, &Tail::shapes);
    for (size_t k = 0; k + 1 < tails.size();) {
      const size_t length = common_length(tails[k], tails[k + 1]);
      size_t count = 2;
      while (k + count < tails.size() && count < kMaxShared &&
             common_length(tails[k + count - 1], tails[k + count]) >= length)
        ++count;
      if (length && merge(std::span(tails).subspan(k, count), length))
        k += count;
      else
        ++k;
    }
  }

  bool merge(std::span<const Tail> tails, size_t length) {
    std::vector<Position> differing;
    if (!find_differences(tails, length, differing)) return false;
    // Positions that get the same values share a parameter.
    std::map<std::vector<Value>, std::vector<Position>> params;
    // Where a tail is all of its block, who comes there goes to the shared one, without a jump more.
    const auto jumps = std::ranges::count_if(
        tails, [&](const Tail& t) { return t.insts[length] != fn_.blocks[t.block].first; });
    int64_t cost = std::min<int64_t>(jumps + 1, int64_t(tails.size()) - 1);
    for (const Position& p : differing) {
      std::vector<Value> values;
      for (const Tail& t : tails) values.push_back(operand_at(fn_, t, p));
      params[values].push_back(p);
    }
    for (const auto& [values, positions] : params)
      for (Value v : values) cost += !fn_.home(v) || fn_.home(v) != fn_.home(values[0]);
    int64_t gain = 0;
    for (size_t n = 1; n <= length; ++n) gain += records_of(fn_, tails[0].insts[n]);
    if (params.size() > kMaxParams || gain * (int64_t(tails.size()) - 1) <= cost) return false;
    share(tails, length, params);
    return true;
  }

  bool find_differences(std::span<const Tail> tails, size_t length, std::vector<Position>& differing) const {
    for (size_t n = 0; n <= length; ++n) {
      const size_t operands = operand_count(fn_, tails[0], n);
      for (size_t k = 0; k < operands; ++k) {
        const Position p{n, k};
        const size_t inside = maker(fn_, tails[0], p, length);
        bool differs = false;
        for (const Tail& t : tails.subspan(1)) {
          if (operand_count(fn_, t, n) != operands || maker(fn_, t, p, length) != inside) return false;
          differs |= !inside && operand_at(fn_, t, p) != operand_at(fn_, tails[0], p);
        }
        if (!differs) continue;
        for (const Tail& t : tails)
          if (!may_vary(t, tails[0], p)) return false;
        differing.push_back(p);
      }
    }
    return true;
  }

  // Whether the verifier takes different values there on different ways.
  bool may_vary(const Tail& t, const Tail& first, Position p) const {
    const InstData& d = fn_.insts[t.insts[p.inst]];
    const Value v = operand_at(fn_, t, p), other = operand_at(fn_, first, p);
    if (fn_.is(v, Opcode::Undef) || fn_.is(v, Opcode::SlotAddr) || fn_.is(v, Opcode::Symbol)) return false;
    if (d.op == Opcode::CallHelper) return takes_any_scalar(d, p.operand);
    if (is_call(d.op) || d.op == Opcode::LdAbs || d.op == Opcode::LdInd) return false;
    if (!(info(d.op).fields & kSize) || p.operand) return true;
    const Region region = memory_.pointee(v).region;
    return region == memory_.pointee(other).region &&
           (region == Region::kPacket || region == Region::kMapValue);
  }

  void share(std::span<const Tail> tails, size_t length,
             const std::map<std::vector<Value>, std::vector<Position>>& params) {
    const Block shared = fn_.split_before(tails[0].insts[length]);
    std::vector<std::vector<Value>> args(tails.size());
    for (const auto& [values, positions] : params) {
      const Value param = fn_.add_param(shared, fn_.home(values[0]));
      for (size_t k = 0; k < tails.size(); ++k) args[k].push_back(values[k]);
      for (const Position& p : positions) set_operand(fn_, tails[0], p, param);
    }
    for (size_t k = 0; k < tails.size(); ++k) {
      const uint32_t origin = fn_.insts[tails[k].insts[0]].origin;
      if (k)
        for (size_t n = 0; n <= length; ++n) fn_.remove(tails[k].insts[n]);
      Builder::at_end(fn_, tails[k].block, origin).jump(shared, args[k]);
    }
    context_.count("merge-tails.shared");
    changed_ = true;
  }

  static constexpr size_t kMaxShared = 16, kMaxParams = 4;

  Function& fn_;
  PassContext& context_;
  const Cfg& cfg_;
  const MemoryModel& memory_;
  bool changed_ = false;
};

}  // namespace

Result<Changed> merge_tails(Function& fn, PassContext& context) { return TailMerger(fn, context).run(); }

}  // namespace epass
