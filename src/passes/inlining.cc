#include "passes/inlining.h"

#include <algorithm>

#include "ir/builder.h"
#include "passes/block_copies.h"

namespace epass {

namespace {

class Copy {
 public:
  Copy(Function& to, const Function& from, uint32_t frame)
      : to_(to), from_(from), frame_(frame), copies_(to, from) {}

  void run(Inst call, bpf::FunctionId id, uint32_t to_records, uint32_t from_records) {
    find_origins(id, to_records, from_records);
    const Block head = to_.insts[call].block, rest = to_.split_before(call);
    const Value result = to_.insts[call].result;
    arguments(call, head);
    copy_blocks(head);
    copies_.connect([&](Block b) { return copies_.block(b); });
    Builder::at_end(to_, head, to_.insts[call].origin).jump(copies_.block(from_.entry()));
    returns(rest, result);
    to_.remove(call);
  }

 private:
  // Where the origins of the copy begin; each function has one range.
  void find_origins(bpf::FunctionId id, uint32_t to_records, uint32_t from_records) {
    auto add = [&](uint32_t begin, bpf::FunctionId of, uint32_t size, uint32_t copies) {
      auto known = std::ranges::find(to_.inlined, of, &bpf::Inlined::function);
      if (known == to_.inlined.end()) {
        const bpf::Inlined* last = to_.inlined.empty() ? nullptr : &to_.inlined.back();
        to_.inlined.push_back({of, last ? last->begin + last->size : to_records, size, 0});
        known = std::prev(to_.inlined.end());
      }
      known->copies += copies;
      ranges_.push_back({begin, known->begin});
    };
    add(0, id, from_records, 1);
    for (const bpf::Inlined& inner : from_.inlined)
      add(inner.begin, inner.function, inner.size, inner.copies);
  }
  uint32_t origin(uint32_t old) const {
    if (old == kNoOrigin) return kNoOrigin;
    auto range = std::prev(std::ranges::upper_bound(ranges_, old, {}, &std::pair<uint32_t, uint32_t>::first));
    return old - range->first + range->second;
  }

  // Not the stack: where the callee kept a value, another copy may keep memory that somebody points to.
  static Home here(Home home) { return home.is_stack() ? Home{} : home; }

  // The callee's parameters are what the call passes.
  void arguments(Inst call, Block head) {
    const auto params = from_.params(from_.entry());
    for (size_t n = 0; n < params.size(); ++n) {
      const bool passed = n < to_.insts[call].operand_count;
      copies_.set_value(params[n], passed ? to_.operand(call, n) : Builder::at_end(to_, head).undef());
    }
  }

  void copy_blocks(Block head) {
    Block last = head;
    for (Block b : from_.all_blocks()) {
      last = copies_.add(b, last);
      if (b != from_.entry())
        for (Value v : from_.params(b)) copies_.add_param(b, v, here(from_.home(v)));
    }
    std::vector<Slot> slots;
    for (uint32_t s = 0; s < from_.slots.size(); ++s) {
      SlotData slot = from_.slots[Slot{s}];
      if (slot.place) slot.place = static_cast<int16_t>(slot.place - int(frame_));
      slots.push_back(to_.slots.add(slot));
    }
    for (Block b : from_.all_blocks())
      copies_.fill(b, [&](InstData& data, Home& home) {
        data.origin = origin(data.origin);
        if (data.op == Opcode::SlotAddr) data.slot = slots[data.slot.index];
        home = here(home);
      });
  }

  // Each return goes on behind the call, with its value.
  void returns(Block rest, Value result) {
    std::vector<Inst> ends;
    for (auto [old, now] : copies_.insts())
      if (from_.insts[old].op == Opcode::Return) ends.push_back(now);
    if (ends.size() == 1) to_.replace(result, to_.operand(ends[0], 0));
    Value param;
    if (ends.size() != 1) to_.replace(result, param = to_.add_param(rest, to_.home(result)));
    for (Inst end : ends) {
      const Value value = to_.operand(end, 0);
      const Block b = to_.insts[end].block;
      const uint32_t from = to_.insts[end].origin;
      to_.remove(end);
      Builder::at_end(to_, b, from).jump(rest, param ? std::span(&value, 1) : std::span<const Value>());
    }
  }

  Function& to_;
  const Function& from_;
  uint32_t frame_;
  std::vector<std::pair<uint32_t, uint32_t>> ranges_;  // of the callee's origins: begin before and after
  BlockCopies copies_;
};

}  // namespace

void inline_call(Function& caller, Inst call, const Function& callee, bpf::FunctionId callee_id,
                 uint32_t frame, uint32_t caller_records, uint32_t callee_records) {
  Copy(caller, callee, frame).run(call, callee_id, caller_records, callee_records);
}

}  // namespace epass
