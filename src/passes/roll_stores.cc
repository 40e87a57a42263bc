// Clears large objects on the stack in a loop.
//
//     store.u64 s0+0, 0                     jump b1(-64)
//     store.u64 s0+8, 0             =>    b1(v1):
//     ...                                   v2 = slot_addr s0+64
//     store.u64 s0+56, 0                    v3 = add v2, v1
//                                           store.u64 v3+0, 0
//                                           v4 = add v1, 8
//                                           jne v4, 0, b1(v4), b2
//
// For size only: it takes longer, here and in the verifier, which knows the offset of each trip. Passes that
// follow addresses of the stack see less afterwards, so it runs last.

#include "ir/builder.h"
#include "pass/pass.h"

namespace epass {
namespace {

class StoreRoller {
 public:
  explicit StoreRoller(Function& fn, PassContext& context) : fn_(fn), memory_(context.analyses.memory()) {}

  Changed run(PassContext& context) {
    Changed changed = Changed::kNothing;
    std::vector<std::vector<Inst>> found;
    for (Block b : fn_.all_blocks()) find(b, found);
    for (const std::vector<Inst>& stores : found) {
      roll(stores);
      context.count("roll-stores.rolled");
      changed = Changed::kControlFlow;
    }
    return changed;
  }

 private:
  static constexpr size_t kFewest = 8;  // a loop takes six instructions

  // The offset from the frame pointer that the whole word is stored at.
  std::optional<int64_t> place(Inst i) const {
    const InstData& d = fn_.insts[i];
    if (d.op != Opcode::Store || d.size != MemSize::kU64 || d.core != kNoCore) return {};
    const Location at = memory_.location(i);
    if (at.at.region != Region::kStack || at.at.root || !fn_.constant(fn_.operand(i, 1), Width::k64))
      return {};
    const Inst base = fn_.def(fn_.operand(i, 0));
    if (!base || fn_.insts[base].op != Opcode::SlotAddr || !fn_.slots[fn_.insts[base].slot].place) return {};
    return at.at.offset;
  }

  void find(Block b, std::vector<std::vector<Inst>>& found) const {
    std::vector<Inst> run;
    int64_t last = 0, step = 0;
    auto close = [&] {
      if (run.size() >= kFewest) found.push_back(run);
      run.clear();
    };
    for (Inst i : fn_.insts_of(b)) {
      const Opcode op = fn_.insts[i].op;
      if (op == Opcode::Const || op == Opcode::SlotAddr) continue;
      const auto at = place(i);
      if (!at) {
        close();
        continue;
      }
      const bool same = !run.empty() && fn_.constant(fn_.operand(i, 1), Width::k64) ==
                                            fn_.constant(fn_.operand(run[0], 1), Width::k64);
      const int64_t by = *at - last;
      if (!same || (by != 8 && by != -8) || (run.size() > 1 && by != step)) close();
      step = by, last = *at;
      run.push_back(i);
    }
    close();
  }

  void roll(const std::vector<Inst>& stores) {
    const Inst first = stores[0];
    const int64_t from = *place(first), step = *place(stores[1]) - from;
    const auto value = int64_t(*fn_.constant(fn_.operand(first, 1), Width::k64));
    const Slot slot = fn_.insts[fn_.def(fn_.operand(first, 0))].slot;
    const Block before = fn_.insts[first].block;
    const uint32_t origin = fn_.insts[first].origin;
    const Block after = fn_.split_before(fn_.next(stores.back()));
    for (Inst i : stores) fn_.remove(i);
    const Block loop = fn_.add_block(before);
    const Value offset = fn_.add_param(loop);
    Builder entry = Builder::at_end(fn_, before, origin);
    const Value start[] = {entry.constant(from)};
    entry.jump(loop, start);
    Builder body = Builder::at_end(fn_, loop, origin);
    const Value frame = body.value({.op = Opcode::SlotAddr, .imm = -fn_.slots[slot].place, .slot = slot});
    body.store(MemSize::kU64, body.binary(Opcode::Add, Width::k64, frame, offset), 0, body.constant(value));
    const Value next = body.binary(Opcode::Add, Width::k64, offset, step);
    const Value end = body.constant(from + step * int64_t(stores.size()));
    const Edge back = body.branch(Opcode::JumpNe, Width::k64, next, end, loop, after);
    fn_.add_arg(back, next);
  }

  Function& fn_;
  const MemoryModel& memory_;
};

}  // namespace

Result<Changed> roll_stores(Function& fn, PassContext& context) {
  return StoreRoller(fn, context).run(context);
}

}  // namespace epass
