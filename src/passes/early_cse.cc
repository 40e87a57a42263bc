// Uses again what is computed or loaded already.
//
//     v1 = load.u32 v0+0                           v1 = load.u32 v0+0
//     jeq v1, 0, b2, b1                            jeq v1, 0, b2, b1
//   b1:                                    =>    b1:
//     v2 = load.u32 v0+0                           v3 = add v1, 1
//     v3 = add v2, 1
//
// and what was stored, where it is loaded again. Looks along blocks with one way in, as far as the next call:
// beyond it a value would need a register that calls leave alone, or a spill.

#include "ir/builder.h"
#include "ir/edit.h"
#include "pass/pass.h"
#include "passes/known_values.h"

namespace epass {
namespace {

class EarlyCse {
 public:
  EarlyCse(Function& fn, PassContext& context) : fn_(fn), context_(context), known_(cfg_.rpo.size()) {}

  Changed run() {
    for (Block b : cfg_.rpo) {
      const auto incoming = cfg_.incoming(b);
      Known known;
      if (incoming.size() == 1 && b != fn_.entry()) known = known_at_end(cfg_.source(incoming[0]));
      for (Inst i = fn_.blocks[b].first, next; i; i = next) {
        next = fn_.next(i);
        visit(i, known);
      }
      known_[cfg_.number(b)] = std::move(known);
    }
    return changed_ ? Changed::kInstructions : Changed::kNothing;
  }

 private:
  // The last block that asks takes it along.
  Known known_at_end(Block pred) {
    Known& known = known_[cfg_.number(pred)];
    const Inst end = fn_.terminator(pred);
    const bool is_last = ++asked_.at(pred) == fn_.insts[end].edge_count;
    return is_last ? std::move(known) : known;
  }

  void visit(Inst i, Known& known) {
    const InstData& d = fn_.insts[i];
    if (clobbers_registers(d.op)) {
      Known before = std::move(known);
      known = {};
      if (context_.remarks) known.call = i, known.before = std::make_shared<Known>(std::move(before));
    } else if (d.op == Opcode::Load && d.core == kNoCore) {
      load(i, known);
    } else if (info(d.op).effects & kWrites) {
      known.memory.forget_written(memory_, i);
      // A field of the context is not memory: the kernel may keep less of it than was written.
      const Location at = d.op == Opcode::Store && d.core == kNoCore ? memory_.location(i) : Location{};
      if (at.at.region != Region::kUnknown && at.at.region != Region::kContext)
        known.memory.remember({at, fn_.operand(i, 1), d.size, true});
    } else if (is_arithmetic(d.op)) {
      compute(i, known);
    }
  }

  void compute(Inst i, Known& known) {
    const InstData& d = fn_.insts[i];
    Key key{d.op, d.width, 0, {}};
    for (size_t n = 0; n < d.operand_count; ++n) {
      // Constants are the same by number, everything else by name.
      const Value v = fn_.source(fn_.operand(i, n));
      const auto c = n == 1 ? fn_.constant(v, Width::k64) : std::nullopt;
      if (c) key.imm = int64_t(*c);
      if (!c) key.operands[n] = v;
    }
    if (const Value same = known.values.find_or_add(key, d.result))
      return replace(i, same, "early-cse.computed");
    if (known.before && known.before->values.find(key)) context_.missed(fn_, i, kAcrossCall);
  }

  void load(Inst i, Known& known) {
    const InstData& d = fn_.insts[i];
    const Location at = memory_.location(i);
    for (const Stored& s : known.memory.all()) {
      if (s.at != at || (!s.is_store && s.size != d.size)) continue;
      if (!s.is_store) return replace(i, s.value, "early-cse.loaded");
      if (auto v = as_loaded(i, s.value)) return replace(i, *v, "early-cse.forwarded");
    }
    if (known.before)
      for (const Stored& s : known.before->memory.all())
        if (s.at == at && s.size == d.size && !memory_.may_write(known.call, at))
          context_.missed(fn_, i, kAcrossCall);
    known.memory.remember({at, d.result, d.size, false});
  }

  // What loading gives after `v` was stored there; none if that takes more than a move.
  std::optional<Value> as_loaded(Inst i, Value v) {
    const MemSize size = fn_.insts[i].size;
    if (size == MemSize::kU64) return v;
    if (size == MemSize::kU32) return Builder::before(fn_, i).zext32(v);
    const auto c = fn_.constant(v, Width::k64);
    if (!c || size > MemSize::kU64) return {};
    return Builder::before(fn_, i).constant(int64_t(*c & ((uint64_t{1} << 8 * bytes_of(size)) - 1)));
  }

  void replace(Inst i, Value v, std::string_view what) {
    replace_keeping_slot(fn_, i, v);
    context_.count(what);
    changed_ = true;
  }

  static constexpr auto kAcrossCall = "it is known already, but not kept across the call in between";

  Function& fn_;
  PassContext& context_;
  const Cfg& cfg_ = context_.analyses.cfg();
  const MemoryModel& memory_ = context_.analyses.memory();
  std::vector<Known> known_;  // at the end of each block, in reverse post-order
  SideTable<Block, uint32_t> asked_ = SideTable<Block, uint32_t>(0);
  bool changed_ = false;
};

}  // namespace

Result<Changed> early_cse(Function& fn, PassContext& context) { return EarlyCse(fn, context).run(); }

}  // namespace epass
