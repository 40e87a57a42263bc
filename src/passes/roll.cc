#include "passes/roll.h"

#include <map>

#include "ir/builder.h"

namespace epass {
namespace {

class Roller {
 public:
  Roller(Function& fn, const Cfg& cfg, const Unrolled& loop)
      : fn_(fn), loop_(loop), cfg_(cfg), head_(loop.blocks[0]), latch_(make_latch()) {}

  void roll() {
    std::vector<Value> again;
    for (Value v : fn_.params(head_)) again.push_back(fn_.add_param(latch_, fn_.home(v)));
    const std::vector<Value> out = again;
    const Edge back = count(again);
    carry(again);
    fn_.set_args(back, again);
    fn_.set_args(Edge{back.index + 1}, out);
    for (size_t n = loop_.period; n < loop_.blocks.size(); ++n) fn_.remove_block(loop_.blocks[n]);
    for (auto [last, first] : loop_.last_to_first) fn_.replace(last, first);
  }

 private:
  // What the first copy goes on to in place of the second.
  Block make_latch() {
    const Block latch = fn_.add_block(loop_.blocks[loop_.period - 1]);
    for (Edge e : cfg_.incoming(loop_.blocks[loop_.period])) fn_.edges[e].to = latch;
    return latch;
  }

  // Ends the latch with the count; returns the edge back, the next one leads out.
  Edge count(std::vector<Value>& again) {
    const auto& grown = loop_.progressions;
    const int64_t start = grown.empty() ? 0 : fn_.insts[grown[0].inst].imm;
    const int64_t step = grown.empty() ? 1 : grown[0].step;
    const Value counter = fn_.add_param(head_);
    for (Edge e : cfg_.incoming(head_))
      fn_.add_arg(e, Builder::before(fn_, fn_.terminator(cfg_.source(e))).constant(start));
    for (const Progression& p : grown) {
      const Value old = fn_.insts[p.inst].result;
      const auto distance = int64_t(uint64_t(fn_.insts[p.inst].imm) - uint64_t(start));
      Value v = counter;
      if (distance) {
        v = Builder::before(fn_, p.inst).binary(Opcode::Add, Width::k64, counter, distance);
        fn_.values[v].home = fn_.home(old);
      }
      fn_.replace(old, v);
      fn_.remove(p.inst);
    }
    Builder builder = Builder::at_end(fn_, latch_, fn_.insts[fn_.terminator(head_)].origin);
    const Value counted = builder.binary(Opcode::Add, Width::k64, counter, step);
    const Value limit = builder.constant(int64_t(uint64_t(start) + uint64_t(step) * loop_.copies));
    again.push_back(counted);
    return builder.branch(Opcode::JumpNe, Width::k64, counted, limit, head_, loop_.next);
  }

  // What a copy takes over from the one before it.
  void carry(std::vector<Value>& again) {
    std::map<std::pair<Value, Value>, Value> params;
    for (const Carried& c : loop_.carried) {
      const auto [it, is_new] = params.try_emplace({c.initial, c.made});
      if (is_new) {
        it->second = fn_.add_param(head_, fn_.home(c.made));
        for (Edge e : cfg_.incoming(head_)) fn_.add_arg(e, c.initial);
        again.push_back(c.made);
      }
      (c.site.edge ? fn_.args(c.site.edge) : fn_.operands(c.site.inst))[c.site.n] = it->second;
    }
  }

  Function& fn_;
  const Unrolled& loop_;
  const Cfg& cfg_;  // as it was
  Block head_, latch_;
};

}  // namespace

void roll(Function& fn, const Cfg& cfg, const Unrolled& loop) { Roller(fn, cfg, loop).roll(); }

}  // namespace epass
