// Blocks of a program that is compiled, and what the meter takes for each.
#if defined(__x86_64__)

#include <algorithm>
#include <numeric>

#include "vm/jit_compiler.h"
#include "vm/op_facts.h"

namespace epass::vm {

namespace {

// Loops of so many operations begin at a multiple of 16 bytes; longer ones do not gain by it.
constexpr uint32_t kShortLoop = 32;
constexpr int kRounds = 8;

bool ends_block(OpCode code) { return code >= OpCode::kJeq64K || code == OpCode::kFault; }
bool is_call(OpCode code) { return code >= OpCode::kCallFunction && code <= OpCode::kCallRegister; }

// Operations in sets that grow together.
class Sets {
 public:
  explicit Sets(uint32_t size) : parents_(size) { std::iota(parents_.begin(), parents_.end(), 0u); }
  uint32_t find(uint32_t n) {
    while (parents_[n] != n) n = parents_[n] = parents_[parents_[n]];
    return n;
  }
  void join(uint32_t a, uint32_t b) { parents_[find(a)] = find(b); }

 private:
  std::vector<uint32_t> parents_;
};

}  // namespace

uint32_t JitCompiler::next_of(uint32_t i) const { return vm::next_of(ops_[i], i); }

void JitCompiler::find_blocks() {
  leaders_.assign(ops_.size(), 0);
  targets_.assign(ops_.size(), 0);
  loops_.assign(ops_.size(), 0);
  jit_.rest_.assign(ops_.size(), 0);
  charges_.assign(ops_.size(), 0);
  depths_.assign(ops_.size() + 1, 0);
  for (uint32_t n = 0; n < executable_.functions().size(); ++n) {
    const Executable::Function& fn = executable_.function(n);
    bool anywhere = false;
    leaders_[fn.begin] = leaders_[fn.begin + fn.size] = 1;
    for (uint32_t i = fn.begin; i < fn.begin + fn.size; ++i) {
      const Op& op = ops_[i];
      if (is_jump(op.code)) {
        leaders_[op.target] = targets_[op.target] = 1;
        if (op.target <= i)
          loops_[op.target] = i - op.target < kShortLoop ? std::max<uint8_t>(loops_[op.target], 1) : 2;
      }
      if (ends_block(op.code)) leaders_[i + 1] = 1;
      anywhere = anywhere || (op.code == OpCode::kGotox && fn.table_targets.empty());
    }
    std::vector<int32_t> change(fn.size + 1);
    for (uint32_t i = 0; i < fn.size; ++i) {
      const Op& op = ops_[fn.begin + i];
      if (!is_jump(op.code) || op.target > fn.begin + i) continue;
      ++change[op.target - fn.begin];
      --change[i + 1];
    }
    for (int32_t i = 0, depth = 0; i < int32_t(fn.size); ++i)
      depths_[fn.begin + uint32_t(i)] = uint16_t(std::min(depth += change[size_t(i)], 0xffff));
    for (uint32_t target : fn.table_targets)
      if (target != UINT32_MAX) leaders_[fn.begin + target] = targets_[fn.begin + target] = 1;
    if (anywhere) {
      std::fill_n(leaders_.begin() + fn.begin, fn.size, uint8_t{1});
      std::fill_n(targets_.begin() + fn.begin, fn.size, uint8_t{1});
    }
    for (uint32_t i = fn.begin; i < fn.begin + fn.size; ++i)
      if (skips_jump(i)) leaders_[i + 1] = 0;
    for (uint32_t i = fn.begin + fn.size; i-- > fn.begin;)
      if ((!ends_block(ops_[i].code) || skips_jump(i)) && !leaders_[next_of(i)])
        jit_.rest_[i] = jit_.rest_[next_of(i)] + 1;
    if (metered_) find_charges(fn);
  }
}

// Where a block may go on. `last` is its last operation, or a jump over a jump.
uint32_t JitCompiler::successors(uint32_t last, uint32_t (&out)[2]) const {
  const Op& op = ops_[last];
  if (skips_jump(last)) return out[0] = ops_[last + 1].target, out[1] = last + 2, 2;
  if (op.code == OpCode::kJa) return out[0] = op.target, 1;
  if (is_jump(op.code)) return out[0] = op.target, out[1] = last + 1, 2;
  if (op.code == OpCode::kExit || op.code == OpCode::kGotox || op.code == OpCode::kFault) return 0;
  return out[0] = next_of(last), 1;
}

// A block may take from the meter what the blocks behind it need, so that these take nothing:
//
//   a: 4 instructions, then b or c       a: takes 6
//   b: 5, then c                   =>    b: takes 5
//   c: 2                                 c: takes nothing
//
// What is taken in advance is the same for all successors of a block, and therefore for all blocks in a set.
// It is never more than what runs for sure, so a meter that runs out does so before the end of the function.
void JitCompiler::find_charges(const Executable::Function& fn) {
  struct Block {
    uint32_t first, size, after;  // after: an operation of the set that follows
  };
  constexpr uint32_t kNone = UINT32_MAX;
  std::vector<Block> blocks;
  Sets sets(fn.size + 1);
  std::vector<uint8_t> exact(fn.size + 1);  // nothing may be taken in advance
  exact[0] = exact[fn.size] = 1;
  for (uint32_t target : fn.table_targets)
    if (target != UINT32_MAX) exact[target] = 1;
  for (uint32_t i = fn.begin; i < fn.begin + fn.size; ++i) {
    if (!leaders_[i]) continue;
    uint32_t last = i, to[2] = {};
    while (jit_.rest_[last] && !skips_jump(last)) last = next_of(last);
    const uint32_t count = successors(last, to);
    if (count == 2) sets.join(to[0] - fn.begin, to[1] - fn.begin);
    if (is_call(ops_[last].code)) exact[to[0] - fn.begin] = 1;
    if (ops_[last].code == OpCode::kGotox && fn.table_targets.empty()) std::ranges::fill(exact, uint8_t{1});
    blocks.push_back({i - fn.begin, jit_.rest_[i] + 1, count ? to[0] - fn.begin : kNone});
  }
  for (uint32_t i = 0; i <= fn.size; ++i) exact[sets.find(i)] |= exact[i];
  std::vector<uint32_t> ahead(fn.size + 1), least(fn.size + 1);  // by set
  auto behind = [&](const Block& block) { return block.after == kNone ? 0 : ahead[sets.find(block.after)]; };
  for (int round = 0; round < kRounds; ++round) {
    std::ranges::fill(least, kNone);
    for (size_t n = blocks.size(); n-- > 0;) {
      const Block& block = blocks[n];
      const uint32_t set = sets.find(block.first);
      // A block that leads into its own set takes enough by itself.
      if (block.after == kNone || sets.find(block.after) != set)
        least[set] = std::min(least[set], block.size + behind(block));
    }
    bool changed = false;
    for (uint32_t set = 0; set <= fn.size; ++set) {
      if (exact[set] || least[set] == kNone || least[set] == ahead[set]) continue;
      ahead[set] = least[set], changed = true;
    }
    if (!changed) break;
  }
  for (const Block& block : blocks) {
    const uint32_t first = fn.begin + block.first;
    charges_[first] = block.size + behind(block) - ahead[sets.find(block.first)];
    for (uint32_t i = first, n = 0; n < block.size; ++n) {
      jit_.rest_[i] += behind(block);
      i = skips_jump(i) ? i + 1 : next_of(i);
    }
  }
}

}  // namespace epass::vm
#endif
