#include "lift/flow.h"

#include <algorithm>

#include "bpf/contracts.h"
#include "ir/dominators.h"

namespace epass {
namespace {

constexpr VarMask kArguments = 0b111110, kClobbered = 0b111111;

std::unexpected<Error> bad(const bpf::Function& fn, uint32_t index, std::string code, std::string message) {
  return fail(std::move(code), std::move(message),
              {.section = fn.section, .function = fn.name, .insn = index});
}

// Where control may go after the instruction at `index`, into `out`: jump targets first, fall-through last.
Result<void> successors(const bpf::Program& program, const bpf::Function& fn, uint32_t index,
                        std::vector<uint32_t>& out) {
  bpf::Insn insn = fn.insns[index];
  uint32_t next = index + bpf::records(insn);
  out.clear();
  auto jump_to = [&](int64_t target) {
    if (target < 0 || target >= int64_t(fn.insns.size())) return false;
    out.push_back(uint32_t(target));
    return true;
  };
  if (insn.code == bpf::kCodeExit) return {};
  if (insn.code == bpf::kCodeGotox) {
    for (const bpf::Attachment& a : fn.attachments) {
      const bpf::Symbol& symbol = program.symbols[a.symbol];
      if (symbol.kind != bpf::Symbol::Kind::kJumpTable) continue;
      for (uint32_t target : symbol.targets)
        if (!jump_to(target)) return bad(fn, index, "jump-table", "a jump table leads out of its function");
    }
    std::ranges::sort(out);
    out.erase(std::ranges::unique(out).begin(), out.end());
    if (out.empty()) return bad(fn, index, "jump-table", "an indirect jump without a known jump table");
    if (out.size() > 255)
      return bad(fn, index, "jump-table", "a jump table with more than 255 different targets");
    return {};
  }
  if (bpf::is_unconditional_jump(insn.code) || bpf::is_conditional_jump(insn.code)) {
    int64_t target = bpf::jump_target(insn, index);
    if (!jump_to(target))
      return bad(fn, index, "jump-range",
                 "jump to " + std::to_string(target) + ", outside the function's " +
                     std::to_string(fn.insns.size()) + " instructions");
    if (bpf::is_unconditional_jump(insn.code)) return {};
  }
  out.push_back(next);
  return {};
}

}  // namespace

const bpf::Attachment* attachment_at(const bpf::Function& fn, uint32_t index) {
  auto it = std::ranges::lower_bound(fn.attachments, index, {}, &bpf::Attachment::insn);
  return it != fn.attachments.end() && it->insn == index ? &*it : nullptr;
}

int call_arguments(const bpf::Program& program, const bpf::Function& fn, uint32_t index,
                   const CallFacts& facts) {
  bpf::Insn insn = fn.insns[index];
  if (const bpf::Attachment* a = attachment_at(fn, index)) {
    const bpf::Symbol& symbol = program.symbols[a->symbol];
    if (symbol.kind == bpf::Symbol::Kind::kFunc && symbol.function) return facts.args[symbol.function];
    return symbol.signature ? std::min<int>(symbol.signature->args, bpf::kMaxArguments) : -1;
  }
  if (insn.code != bpf::kCodeCall || insn.src() != bpf::kHelperCall) return -1;
  const bpf::HelperContract* contract = bpf::helper(insn.imm);
  return contract && !contract->variadic_in_place ? contract->arg_count() : -1;
}

RegisterEffect register_effect(const bpf::Program& program, const bpf::Function& fn, uint32_t index,
                               const CallFacts& facts) {
  bpf::Insn insn = fn.insns[index];
  VarMask dst = VarMask{1} << insn.dst(), src = VarMask{1} << insn.src();
  constexpr VarMask kRegisters = (1 << bpf::kFrameRegister) - 1;
  RegisterEffect e;
  switch (insn.cls()) {
    case bpf::kLd:
      if (bpf::is_ld_imm64(insn)) {
        e.defs = dst;
      } else {
        e.uses = 1u << 6 | ((insn.code & 0xe0) == bpf::kInd ? src : 0);
        e.defs = kClobbered;
      }
      break;
    case bpf::kLdx: e = {src, dst}; break;
    case bpf::kSt: e.uses = dst; break;
    case bpf::kStx:
      e.uses = dst | src;
      if ((insn.code & 0xe0) != bpf::kAtomic) break;
      if (insn.imm == bpf::kLoadAcq)
        e = {src, dst};
      else if (insn.imm == bpf::kCmpxchg)
        e.uses |= 1, e.defs = 1;
      else if (insn.imm & bpf::kFetch)
        e.defs = src;
      break;
    case bpf::kAlu:
    case bpf::kAlu64: {
      uint8_t op = insn.code & 0xf0;
      bool reads_src = (insn.code & bpf::kX) && op != bpf::kEnd && op != bpf::kNeg;
      e.uses = (op == bpf::kMov ? 0 : dst) | (reads_src ? src : 0);
      e.defs = dst;
      break;
    }
    default: {
      uint8_t op = insn.code & 0xf0;
      if (op == bpf::kCall && insn.cls() == bpf::kJmp) {
        int args = call_arguments(program, fn, index, facts);
        e.uses = args < 0 ? kArguments : kArguments & ((VarMask{2} << args) - 1);
        if (insn.code == bpf::kCodeCallx) e.uses |= dst;
        e.defs = kClobbered;
      } else if (insn.code == bpf::kCodeExit) {
        e.uses = 1;
      } else if (insn.code == bpf::kCodeGotox) {
        e.uses = dst;
      } else if (bpf::is_conditional_jump(insn.code) && op != bpf::kJcond) {
        e.uses = dst | (insn.code & bpf::kX ? src : 0);
      }
    }
  }
  e.uses &= kRegisters, e.defs &= kRegisters;
  return e;
}

Result<Flow> build_flow(const bpf::Program& program, const bpf::Function& fn) {
  uint32_t size = uint32_t(fn.insns.size());
  if (!size)
    return fail("empty", "a function without instructions", {.section = fn.section, .function = fn.name});
  enum : uint8_t { kReached = 1, kLeader = 2, kSecondHalf = 4 };
  std::vector<uint8_t> mark(size);
  for (uint32_t i = 0; i < size; i += bpf::records(fn.insns[i])) {
    if (!bpf::is_ld_imm64(fn.insns[i])) continue;
    if (i + 1 == size) return bad(fn, i, "insn-truncated", "an ld_imm64 without its second half");
    mark[i + 1] |= kSecondHalf;
  }
  Flow flow;
  std::vector<uint32_t> work{0}, succs;
  mark[0] |= kLeader;
  while (!work.empty()) {
    uint32_t i = work.back();
    work.pop_back();
    while (!(mark[i] & kReached)) {
      mark[i] |= kReached;
      if (auto ok = successors(program, fn, i, succs); !ok) return fail(ok.error());
      uint32_t next = i + bpf::records(fn.insns[i]);
      bool jumps = bpf::is_jmp(fn.insns[i].code) && (fn.insns[i].code & 0xf0) != bpf::kCall;
      bool falls = false;
      for (uint32_t s : succs) {
        if (s >= size) {
          if ((fn.insns[i].code & 0xf7) == bpf::kCodeCall) continue;
          return bad(fn, i, "runs-off", "control runs off the end of the function");
        }
        if (mark[s] & kSecondHalf) return bad(fn, i, "jump-range", "jump into the middle of an ld_imm64");
        if (jumps)
          mark[s] |= kLeader, work.push_back(s);
        else
          falls = true;
      }
      if (!falls) break;
      i = next;
    }
  }
  std::vector<uint32_t> block_at(size, UINT32_MAX);
  flow.blocks.reserve(size_t(std::ranges::count_if(mark, [](uint8_t m) { return m & kLeader; })));
  for (uint32_t i = 0; i < size; i += bpf::records(fn.insns[i])) {
    if (!(mark[i] & kReached)) continue;
    // Reached code begins a block at leaders only: what follows a jump is reached through a jump, too.
    if (mark[i] & kLeader) flow.blocks.push_back({.begin = i});
    block_at[i] = uint32_t(flow.blocks.size() - 1);
    flow.blocks.back().end = i + bpf::records(fn.insns[i]);
  }
  for (uint32_t b = 0; b < flow.blocks.size(); ++b) {
    FlowBlock& block = flow.blocks[b];
    uint32_t last = block.end - 1;
    if (last > block.begin && mark[last] & kSecondHalf) --last;
    if (auto ok = successors(program, fn, last, succs); !ok) return fail(ok.error());
    for (uint32_t s : succs) {
      if (s >= size) {
        block.runs_off = true;
        continue;
      }
      flow.neighbours.push_back(block.succs, block_at[s]);
      flow.neighbours.push_back(flow.blocks[block_at[s]].preds, b);
    }
  }
  return flow;
}

void compute_dominators(Flow& flow) {
  const auto count = uint32_t(flow.blocks.size());
  // Depth-first, by an explicit stack of (block, next successor): numbers on the way in, post-order on the
  // way out.
  constexpr uint32_t kUnseen = UINT32_MAX;
  std::vector<uint32_t> number(count, kUnseen), block, parent;
  std::vector<std::pair<uint32_t, uint32_t>> stack;
  auto visit = [&](uint32_t b, uint32_t from) {
    number[b] = uint32_t(block.size());
    block.push_back(b);
    parent.push_back(from);
    stack.push_back({b, 0});
  };
  flow.rpo.clear();
  visit(0, 0);
  while (!stack.empty()) {
    auto& [b, n] = stack.back();
    if (n == flow.succs(b).size()) {
      flow.rpo.push_back(b);
      stack.pop_back();
      continue;
    }
    const uint32_t from = number[b], s = flow.succs(b)[n++];
    if (number[s] == kUnseen) visit(s, from);
  }
  std::ranges::reverse(flow.rpo);
  std::vector<uint32_t> begin{0}, preds;
  for (uint32_t b : block) {
    for (uint32_t p : flow.preds(b))
      if (number[p] != kUnseen) preds.push_back(number[p]);
    begin.push_back(uint32_t(preds.size()));
  }
  const std::vector<uint32_t> idom = immediate_dominators(parent, begin, preds);
  flow.idom.assign(count, kUnseen);
  for (uint32_t v = 0; v < block.size(); ++v) flow.idom[block[v]] = block[idom[v]];
  flow.level.assign(count, 0);
  for (uint32_t b : flow.rpo)
    if (b != 0) flow.level[b] = flow.level[flow.idom[b]] + 1;
}

}  // namespace epass
