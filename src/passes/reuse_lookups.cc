// Uses an element of an array again that was looked up before.
//
//     store.u32 s0+0, 0                               store.u32 s0+0, 0
//     v1 = call bpf_map_lookup_elem#1(m, s0)          v1 = call bpf_map_lookup_elem#1(m, s0)
//     jeq v1, 0, b9, b1                               jeq v1, 0, b9, b1
//   b1:                                        =>   b1:
//     store.u32 s0+0, 0                               store.u32 s0+0, 0
//     v2 = call bpf_map_lookup_elem#1(m, s0)          jump b2
//     jeq v2, 0, b9, b2                             b2:
//   b2:                                               v3 = load.u32 v1+0
//     v3 = load.u32 v2+0
//
// An element of an array lies where it lies for as long as the map is there, and so does this CPU's of an
// array per CPU: the same key gives the same address, whoever writes to the map meanwhile. What the first
// test has shown is not tested again.

#include <map>
#include <optional>
#include <tuple>

#include "bpf/contracts.h"
#include "ir/edit.h"
#include "pass/pass.h"
#include "passes/null_tests.h"

namespace epass {
namespace {

class Lookups {
 public:
  Lookups(Function& fn, PassContext& context) : fn_(fn), context_(context) {}

  Changed run() {
    for (Block b : context_.analyses.cfg().rpo)
      for (Inst i : fn_.insts_of(b))
        if (is_array_lookup(i)) calls_.push_back(i);
    if (calls_.size() < 2) return Changed::kNothing;
    for (Inst call : calls_) visit(call);
    if (again_.empty()) return Changed::kNothing;
    const uint32_t decided = decide_null_tests(fn_, context_.analyses, same_);
    for (uint32_t n = 0; n < decided; ++n) context_.count("reuse-lookups.tests");
    if (decided) changed_ = Changed::kControlFlow;
    for (auto [call, first] : again_) {
      fn_.replace(fn_.insts[call].result, first);
      fn_.remove(call);
      context_.count("reuse-lookups.calls");
    }
    return changed_;
  }

 private:
  // The map, whether the key is a constant, and the constant or the value.
  using Key = std::tuple<uint32_t, bool, uint64_t>;

  bool is_array_lookup(Inst i) const {
    const InstData& d = fn_.insts[i];
    if (d.op != Opcode::CallHelper || d.imm != bpf::kMapLookupElem || d.operand_count < 2) return false;
    const Inst map = fn_.def(fn_.source(fn_.operand(i, 0)));
    if (!map || fn_.insts[map].op != Opcode::Symbol || fn_.insts[map].imm != 0) return false;
    return bpf::has_fixed_elements(context_.symbols[fn_.insts[map].symbol].map_type);
  }

  void visit(Inst call) {
    const auto key = key_of(call);
    if (!key) return;
    const Block here = fn_.insts[call].block;
    std::vector<Inst>& known = known_[*key];
    for (Inst first : known) {
      // In reverse post-order: in one block, the first comes first.
      if (!dominators_.dominates(fn_.insts[first].block, here)) continue;
      const Value v = fn_.insts[first].result;
      again_.emplace_back(call, v);
      same_[v].push_back(fn_.insts[call].result);
      changed_ |= Changed::kInstructions;
      return;
    }
    known.push_back(call);
  }

  std::optional<Key> key_of(Inst call) const {
    const Pointee at = memory_.pointee(fn_.operand(call, 1));
    if (at.region != Region::kStack || at.root) return {};
    const auto stored = stored_at({at, kKeyBytes}, call);
    if (!stored) return {};
    const uint32_t map = fn_.insts[fn_.def(fn_.source(fn_.operand(call, 0)))].symbol.index;
    if (const auto c = fn_.constant(*stored, Width::k32)) return Key{map, true, *c};
    return Key{map, false, fn_.source(*stored).index};
  }

  // What the last store in front of `before` left in those bytes, along blocks with one way in.
  std::optional<Value> stored_at(const Location& wanted, Inst before) const {
    Block b = fn_.insts[before].block;
    Inst i = fn_.insts[before].prev;
    for (int steps = 0; steps < kFarthest; ++steps) {
      if (!i) {
        const auto incoming = cfg_.incoming(b);
        if (incoming.size() != 1 || b == fn_.entry()) return {};
        b = cfg_.source(incoming[0]);
        i = fn_.terminator(b);
        continue;
      }
      if (const auto at = memory_.plainly_written(i); at && *at == wanted) return fn_.operand(i, 1);
      if (memory_.may_write(i, wanted)) return {};
      i = fn_.insts[i].prev;
    }
    return {};
  }

  static constexpr uint32_t kKeyBytes = 4;  // of all arrays
  static constexpr int kFarthest = 256;

  Function& fn_;
  PassContext& context_;
  const Cfg& cfg_ = context_.analyses.cfg();
  const Dominators& dominators_ = context_.analyses.dominators();
  const MemoryModel& memory_ = context_.analyses.memory();
  std::vector<Inst> calls_;
  std::map<Key, std::vector<Inst>> known_;
  std::vector<std::pair<Inst, Value>> again_;  // calls, and what they give
  std::map<Value, std::vector<Value>> same_;   // by result, those that it stands for
  Changed changed_ = Changed::kNothing;
};

bool has_lookups(const Function& fn) {
  int lookups = 0;
  for (Block b : fn.all_blocks())
    for (Inst i : fn.insts_of(b))
      lookups += fn.insts[i].op == Opcode::CallHelper && fn.insts[i].imm == bpf::kMapLookupElem;
  return lookups >= 2;
}

}  // namespace

Result<Changed> reuse_lookups(Function& fn, PassContext& context) {
  if (!has_lookups(fn)) return Changed::kNothing;
  const Changed changed = Lookups(fn, context).run();
  if (changed == Changed::kControlFlow) remove_unreachable_blocks(fn);
  return changed;
}

}  // namespace epass
