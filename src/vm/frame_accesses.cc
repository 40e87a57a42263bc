// Follows ranges of registers through a function until nothing changes any more; then once more, with bounds
// for what loops add to registers that they do not compare:
//
//   r7 = r10 - 288, r6 = 0
//   loop: ... r7 += 24, r6 += 4, if r6 != 24 goto loop      r6: 0 to 20, so r7: r10 - 288 to r10 - 168

#include "vm/frame_accesses.h"

#include <algorithm>
#include <optional>

#include "vm/op_loops.h"
#include "vm/ranges.h"

namespace epass::vm {

namespace {

// What is not known by then is not worth the time.
constexpr uint32_t kMostOps = 4096, kMostHeads = 64, kVisitsPerBlock = 200, kPatience = 24;
constexpr int64_t kMostRounds = 1 << 20;

class Search {
 public:
  explicit Search(const Flow& flow);
  bool run();
  bool bound_loops();
  std::vector<uint8_t> results();

 private:
  struct Block {
    bool is_head = false, is_open = false;
    uint32_t changes = 0;
    std::optional<Ranges> ranges = {};  // none: control does not come there
    // In a loop: what all rounds together add, by register; and where rounds come from.
    std::array<std::optional<Range>, 11> total = {};
    std::vector<uint8_t> back = {};
  };
  static constexpr uint32_t kNone = UINT32_MAX;

  void arrive(uint32_t from, uint32_t at, Ranges ranges);
  Range together(Block& block, size_t reg, const Range& before, const Range& now);
  template <class Visit>
  Ranges walk(uint32_t first, Visit visit);
  bool bound(Block& block, const OpLoop& loop);

  const Flow& flow_;
  std::vector<uint32_t> block_at_;  // by operation
  std::vector<uint32_t> firsts_;    // by block
  std::vector<Block> blocks_;
  std::array<std::vector<int64_t>, 11> limits_;  // by register: what it is compared with, and beside it
};

Search::Search(const Flow& flow) : flow_(flow), block_at_(flow.size(), kNone) {
  std::vector<uint8_t> begins(flow.size()), heads(flow.size());
  begins[0] = 1;
  for (uint32_t i = 0; i < flow.size(); ++i) {
    const Op& op = flow.op(i);
    if (!is_jump(op.code)) continue;
    flow.each_successor(i, [&](uint32_t to, bool) { begins[to] = 1, heads[to] |= to <= i; });
    for (int64_t beside : {-1, 0, 1}) limits_[op.dst].push_back(int64_t(op.imm) + beside);
  }
  for (auto& limits : limits_) std::ranges::sort(limits);
  for (uint32_t i = 0; i < flow.size(); ++i) {
    if (!begins[i]) continue;
    block_at_[i] = uint32_t(blocks_.size());
    firsts_.push_back(i);
    blocks_.push_back({.is_head = heads[i] != 0});
  }
}

// From the begin of a block to the operation that ends it; visit(operation, ranges before it).
template <class Visit>
Ranges Search::walk(uint32_t first, Visit visit) {
  Ranges ranges = *blocks_[block_at_[first]].ranges;
  for (uint32_t i = first;; i = next_of(flow_.op(i), i)) {
    visit(i, ranges);
    const uint32_t next = next_of(flow_.op(i), i);
    if (is_jump(flow_.op(i).code) || !goes_on(flow_.op(i).code)) return ranges;
    execute(flow_.op(i), ranges);
    if (next >= flow_.size() || block_at_[next] != kNone) return ranges;
  }
}

bool Search::run() {
  for (Block& block : blocks_) block.is_open = false, block.changes = 0, block.ranges.reset();
  Ranges at_entry;
  at_entry[bpf::kFrameRegister] = {true, 0, 0, 0};
  arrive(kNone, 0, at_entry);
  size_t visits = 0;
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t n = 0; n < blocks_.size(); ++n) {
      if (!blocks_[n].is_open) continue;
      if (++visits > kVisitsPerBlock * blocks_.size()) return false;
      blocks_[n].is_open = false, changed = true;
      uint32_t last = 0;
      const Ranges ranges = walk(firsts_[n], [&](uint32_t i, const Ranges&) { last = i; });
      flow_.each_successor(last, [&](uint32_t to, bool taken) {
        Ranges there = ranges;
        if (!is_jump(flow_.op(last).code) || flow_.target(last) == last + 1 ||
            assume(flow_.op(last), taken, there))
          arrive(last, to, there);
      });
    }
  }
  return true;
}

void Search::arrive(uint32_t from, uint32_t at, Ranges ranges) {
  Block& block = blocks_[block_at_[at]];
  const bool is_round = from != kNone && !block.back.empty() && block.back[from];
  for (size_t reg = 0; reg < ranges.size(); ++reg)
    if (block.total[reg]) ranges[reg] = is_round ? (*block.ranges)[reg] : sum(ranges[reg], *block.total[reg]);
  if (block.ranges) {
    for (size_t reg = 0; reg < ranges.size(); ++reg)
      ranges[reg] = together(block, reg, (*block.ranges)[reg], ranges[reg]);
    if (ranges == *block.ranges) return;
    ++block.changes;
  }
  block.ranges = ranges, block.is_open = true;
}

Range Search::together(Block& block, size_t reg, const Range& before, const Range& now) {
  const Range both = join(before, now);
  if (!block.is_head || both == before) return both;
  return block.changes > kPatience ? Range{} : widened(before, both, limits_[reg]);
}

// True: there is something new, and reason to run again.
bool Search::bound_loops() {
  bool any = false;
  if (std::ranges::count_if(blocks_, [](const Block& b) { return b.is_head; }) > kMostHeads) return false;
  for (size_t n = 0; n < blocks_.size(); ++n)
    if (blocks_[n].is_head && blocks_[n].ranges) any |= bound(blocks_[n], loop_at(flow_, firsts_[n]));
  return any;
}

bool Search::bound(Block& block, const OpLoop& loop) {
  int64_t rounds = kMostRounds + 1;
  for (const LoopStep& step : loop.steps) {
    const Range& v = (*block.ranges)[step.reg];
    if (step.always && step.add && !v.frame && v.is_bounded())
      rounds = std::min(rounds, (v.high - v.low) / std::abs(step.add));
  }
  if (rounds > kMostRounds) return false;
  bool any = false;
  for (const LoopStep& step : loop.steps) {
    if ((*block.ranges)[step.reg].is_bounded() || !step.add) continue;
    const int64_t all = rounds * step.add;
    block.total[step.reg] =
        Range{false, std::min<int64_t>(all, 0), std::max<int64_t>(all, 0), std::abs(step.add)};
    any = true;
  }
  if (any) block.back = loop.back;
  return any;
}

std::vector<uint8_t> Search::results() {
  std::vector<uint8_t> inside(flow_.size());
  for (size_t n = 0; n < blocks_.size(); ++n) {
    if (!blocks_[n].ranges) continue;
    walk(firsts_[n], [&](uint32_t i, const Ranges& ranges) {
      const Op& op = flow_.op(i);
      if (!is_access(op.code)) return;
      const Range& base = ranges[is_store(op.code) ? op.dst : op.src];
      inside[i] = base.frame && base.low + op.off >= -bpf::kStackSize &&
                  base.high + op.off + int64_t(access_size(op)) <= 0;
    });
  }
  return inside;
}

}  // namespace

std::vector<uint8_t> accesses_in_frame(const Executable& executable, uint32_t function) {
  const Flow flow(executable, function);
  if (!flow.size() || flow.size() > kMostOps) return {};
  for (uint32_t i = 0; i < flow.size(); ++i)
    if (flow.op(i).code == OpCode::kGotox) return {};
  Search search(flow);
  if (!search.run()) return {};
  if (search.bound_loops() && !search.run()) return {};
  return search.results();
}

}  // namespace epass::vm
