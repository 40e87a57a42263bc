// Computes with constants before they meet.
//
//     jgt v0, 9, b1(v1), b1(v2)        with v1 = 1, v2 = 0
//   b1(v3):
//     v4 = shl v3, 4               =>    b1(v4): from 16 and 0
//
// if that is the only use of the parameter. And makes an address of the stack where it is needed, if every
// way there brings the same.

#include "ir/builder.h"
#include "ir/edit.h"
#include "ir/eval.h"
#include "pass/pass.h"
#include "passes/slot_address.h"

namespace epass {
namespace {

class Folder {
 public:
  Folder(Function& fn, Analyses& analyses) : fn_(fn), cfg_(analyses.cfg()), users_(analyses.users()) {}

  Changed run(PassContext& context) {
    Changed changed = Changed::kNothing;
    for (Block b : cfg_.rpo) {
      if (b == fn_.entry()) continue;
      for (uint32_t n = 0; n < fn_.params(b).size(); ++n) {
        if (!fold(b, n) && !remake(b, n)) continue;
        context.count("fold-params.folded");
        changed = Changed::kInstructions;
      }
    }
    return changed;
  }

 private:
  bool fold(Block b, uint32_t n) {
    const Value param = fn_.params(b)[n];
    const auto users = users_.of(param);
    if (users.size() != 1) return false;
    const Inst i = users[0];
    const InstData& d = fn_.insts[i];
    // In a loop the result would be carried round instead of the constant.
    if (!is_binary(d.op) || d.block != b || fn_.operand(i, 0) != param) return false;
    const auto right = fn_.constant(fn_.operand(i, 1), d.width);
    if (!right) return false;
    std::vector<uint64_t> results;
    for (Edge e : cfg_.incoming(b)) {
      const Value arg = fn_.resolve(fn_.args(e)[n]);
      const auto left = fn_.constant(arg, Width::k64);
      // A constant that is used elsewhere, too, would stay beside the new one.
      if (!left || users_.of(arg).size() != 1) return false;
      const uint64_t result = eval_binary(d.op, d.width, *left, *right);
      if (int64_t(result) != int32_t(result)) return false;
      results.push_back(result);
    }
    for (size_t k = 0; k < results.size(); ++k) {
      const Edge e = cfg_.incoming(b)[k];
      const Inst end = fn_.terminator(cfg_.source(e));
      const Value c = Builder::before(fn_, end).constant(int64_t(results[k]));
      fn_.values[c].home = fn_.home(param);
      fn_.args(e)[n] = c;
    }
    fn_.replace(d.result, param);
    fn_.remove(i);
    return true;
  }

  bool remake(Block b, uint32_t n) {
    const auto incoming = cfg_.incoming(b);
    const auto first = slot_address(fn_, fn_.args(incoming[0])[n]);
    if (!first || incoming.size() < 2 || users_.of(fn_.params(b)[n]).empty()) return false;
    for (Edge e : incoming.subspan(1)) {
      const auto other = slot_address(fn_, fn_.args(e)[n]);
      if (!other || other->slot != first->slot || other->imm != first->imm) return false;
    }
    const Value param = fn_.params(b)[n];
    const Inst at = fn_.insert_before(fn_.blocks[b].first, *first, {}, fn_.home(param));
    fn_.insts[at].origin = fn_.insts[fn_.insts[at].next].origin;
    fn_.replace(param, fn_.insts[at].result);
    return true;
  }

  Function& fn_;
  const Cfg& cfg_;
  const Users& users_;
};

}  // namespace

Result<Changed> fold_params(Function& fn, PassContext& context) {
  return Folder(fn, context.analyses).run(context);
}

}  // namespace epass
