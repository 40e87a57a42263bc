// Finds loops by what can be reached without their head: functions are small, and have few.

#include "vm/op_loops.h"

#include <algorithm>
#include <array>
#include <bit>

namespace epass::vm {

namespace {

bool any(const std::vector<uint8_t>& marks) { return std::ranges::find(marks, uint8_t{1}) != marks.end(); }
bool any_of_both(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i] && b[i]) return true;
  return false;
}

// Operations of the loop: its head, and what leads to the next round without it.
std::vector<uint8_t> body_of(const Flow& flow, const OpLoop& loop) {
  std::vector<uint8_t> body = loop.back;
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t i = flow.size(); i-- > 0;) {
      bool leads = false;
      flow.each_successor(i, [&](uint32_t to, bool) { leads = leads || (to != loop.head && body[to]); });
      if (!leads || body[i]) continue;
      body[i] = 1, changed = true;
    }
  }
  body[loop.head] = 1;
  return body;
}

// Whether control may come there twice in one round.
bool repeats(const Flow& flow, uint32_t i, uint32_t head) {
  bool again = false;
  flow.each_successor(i, [&](uint32_t to, bool) { again = again || flow.reach(to, head)[i]; });
  return again;
}

}  // namespace

std::vector<uint8_t> Flow::reach(uint32_t from, uint32_t avoided) const {
  std::vector<uint8_t> marks(size());
  if (from == avoided) return marks;
  std::vector<uint32_t> open = {from};
  marks[from] = 1;
  while (!open.empty()) {
    const uint32_t i = open.back();
    open.pop_back();
    each_successor(i, [&](uint32_t to, bool) {
      if (to == avoided || marks[to]) return;
      marks[to] = 1, open.push_back(to);
    });
  }
  return marks;
}

OpLoop loop_at(const Flow& flow, uint32_t head) {
  OpLoop loop{head, std::vector<uint8_t>(flow.size())};
  const std::vector<uint8_t> before = flow.reach(0, head);
  for (uint32_t i = 0; i < flow.size(); ++i)
    if (!before[i]) flow.each_successor(i, [&](uint32_t to, bool) { loop.back[i] |= to == head; });
  if (!any(loop.back)) return loop;
  const std::vector<uint8_t> body = body_of(flow, loop);
  std::array<uint32_t, bpf::kFrameRegister> writes{}, where{};
  for (uint32_t i = 0; i < flow.size(); ++i)
    for (uint32_t changed = body[i] ? changed_by(flow.op(i)) : 0; changed; changed &= changed - 1) {
      const uint32_t reg = uint32_t(std::countr_zero(changed));
      ++writes[reg], where[reg] = i;
    }
  for (uint32_t reg = 0; reg < writes.size(); ++reg) {
    const uint32_t i = where[reg];
    const Op& op = flow.op(i);
    const bool adds = op.code == OpCode::kAdd64K, subtracts = op.code == OpCode::kSub64K;
    if (writes[reg] != 1 || (!adds && !subtracts) || repeats(flow, i, head)) continue;
    const int64_t k = int64_t(op.imm);
    loop.steps.push_back({reg, adds ? k : -k, !any_of_both(flow.reach(head, i), loop.back)});
  }
  return loop;
}

}  // namespace epass::vm
