// Tests before a loop what is the same in each trip.
//
//     jump b1(v2)                                jeq v0, 0, b1(v2), b4(v2)
//   b1(v3):                                    b1(v3):
//     jeq v0, 0, b2, b3                          v4 = add v3, 1
//   b2:                                          jlt v4, v1, b1(v4), b6
//     v4 = add v3, 1                   =>      b4(v5):
//     jlt v4, v1, b1(v4), b6                     v6 = add v5, 2
//   b3:                                          jlt v6, v1, b4(v6), b6
//     v5 = add v3, 2
//     jlt v5, v1, b1(v5), b6
//
// There are two loops then, one for each outcome, that do not test it. It costs the records of the copy: for
// those who ask for it. Only tests whose both ways stay in the loop, and loops that have none in them, `size`
// instructions at most. The verifier walks each loop once more only where it has walked both ways before.

#include "ir/builder.h"
#include "ir/edit.h"
#include "pass/pass.h"
#include "passes/inner_loops.h"

namespace epass {
namespace {

class Unswitcher {
 public:
  Unswitcher(Function& fn, Analyses& analyses) : fn_(fn), cfg_(analyses.cfg()), inner_(fn, analyses) {}

  // The header of a loop with such a test.
  Block find(uint64_t most) const {
    return inner_.find({}, most, [&](Block header) { return bool(test_in(header)); });
  }

  void unswitch(Block header) {
    const std::vector<Block> blocks = inner_.of(header);
    const Inst test = test_in(header);
    LoopCopy loop(fn_, blocks, blocks.back());
    const BlockCopies& copies = loop.copies;
    loop.copies.connect([&](Block to) { return copies.block(to) ? copies.block(to) : to; });
    test_before(header, test, copies.block(header));
    loop.mend();
    const Block at = fn_.insts[test].block;
    keep_only_edge(fn_, at, 0);
    keep_only_edge(fn_, copies.block(at), 1);
  }

 private:
  // The first test in the loop of what is made before it.
  Inst test_in(Block header) const {
    for (Block b : inner_.of(header)) {
      const Inst end = fn_.terminator(b);
      if (!is_conditional(fn_.insts[end].op) || fn_.target(end, 0) == fn_.target(end, 1)) continue;
      if (!inner_.contains(header, fn_.target(end, 0)) || !inner_.contains(header, fn_.target(end, 1)))
        continue;
      if (stays_same(header, fn_.operand(end, 0)) && stays_same(header, fn_.operand(end, 1))) return end;
    }
    return {};
  }

  bool stays_same(Block header, Value v) const {
    const Inst def = fn_.def(v);
    if (def && fn_.is(v, Opcode::Const)) return fn_.insts[def].core == kNoCore;
    return !inner_.contains(header, def ? fn_.insts[def].block : fn_.values[v].block);
  }

  // Leads the ways into the loop to a new block that tests, and goes on to the loop or to its copy.
  void test_before(Block header, Inst test, Block copy) {
    const std::vector<Edge> entries = inner_.entries(header);
    const Block before = fn_.add_block(cfg_.source(entries[0]));
    for (Edge e : entries) fn_.edges[e].to = before;
    std::vector<Value> params;
    const size_t count = fn_.params(header).size();
    for (size_t n = 0; n < count; ++n)
      params.push_back(fn_.add_param(before, fn_.home(fn_.params(header)[n])));
    Builder build = Builder::at_end(fn_, before, fn_.insts[test].origin);
    auto operand = [&](size_t n) {
      const Value v = fn_.operand(test, n);
      return fn_.is(v, Opcode::Const) ? build.constant(fn_.insts[fn_.def(v)].imm) : v;
    };
    const Value x = operand(0), y = operand(1);
    const Edge first = build.branch(fn_.insts[test].op, fn_.insts[test].width, x, y, header, copy);
    for (uint32_t n = 0; n < 2; ++n) fn_.set_args(Edge{first.index + n}, params);
  }

  Function& fn_;
  const Cfg& cfg_;
  const InnerLoops inner_;
};

}  // namespace

Result<Changed> unswitch(Function& fn, PassContext& context) {
  constexpr int kMostLoops = 16;
  const auto size = number_option(context, "unswitch", "size", 24);
  if (!size) return fail(size.error());
  Changed changed = drop_unreachable(fn, context);
  for (int n = 0; n < kMostLoops; ++n) {
    Unswitcher unswitcher(fn, context.analyses);
    const Block header = unswitcher.find(*size);
    if (!header) break;
    unswitcher.unswitch(header);
    context.count("unswitch.loops");
    changed = Changed::kControlFlow;
    context.analyses.control_flow_changed();
    drop_unreachable(fn, context);
  }
  return changed;
}

}  // namespace epass
