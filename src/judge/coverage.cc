// Finds the blocks that can be reached from an entry.

#include "judge/coverage.h"

#include <algorithm>

namespace epass::judge {

using namespace bpf;

bool jumps(Insn insn, uint64_t x, uint64_t y) {
  const bool wide = insn.cls() == kJmp;
  if (!wide) x = uint32_t(x), y = uint32_t(y);
  const int64_t sx = wide ? int64_t(x) : int32_t(x), sy = wide ? int64_t(y) : int32_t(y);
  switch (insn.code & 0xf0) {
    case kJeq: return x == y;
    case kJne: return x != y;
    case kJgt: return x > y;
    case kJge: return x >= y;
    case kJlt: return x < y;
    case kJle: return x <= y;
    case kJset: return (x & y) != 0;
    case kJsgt: return sx > sy;
    case kJsge: return sx >= sy;
    case kJslt: return sx < sy;
    default: return sx <= sy;
  }
}

Coverage::Coverage(const Program& program, FunctionId entry) {
  for (uint32_t n = 0; n < program.functions.size(); ++n) {
    blocks_.emplace_back(program.functions[FunctionId{n}].insns.size(), uint8_t{kNoBlock});
    branches_.emplace_back(program.functions[FunctionId{n}].insns.size(), uint8_t{0});
  }
  std::vector<Place> open;
  auto lead = [&](FunctionId function, int64_t insn) {
    std::vector<uint8_t>& blocks = blocks_[function.index];
    if (insn < 0 || insn >= int64_t(blocks.size()) || blocks[size_t(insn)] != kNoBlock) return;
    blocks[size_t(insn)] = kUnseen;
    ++total_;
    open.push_back({function, uint32_t(insn)});
  };
  lead(entry, 0);
  while (!open.empty()) {
    const auto [id, first] = open.back();
    open.pop_back();
    const bpf::Function& fn = program.functions[id];
    for (uint32_t at = first; at < fn.insns.size(); at += records(fn.insns[at])) {
      const Insn insn = fn.insns[at];
      if (at != first && blocks_[id.index][at] != kNoBlock) break;
      auto a = std::ranges::lower_bound(fn.attachments, at, {}, &Attachment::insn);
      const Symbol* symbol =
          a != fn.attachments.end() && a->insn == at ? &program.symbols[a->symbol] : nullptr;
      if (symbol && symbol->kind == Symbol::Kind::kFunc && symbol->function) lead(symbol->function, 0);
      if (symbol && symbol->kind == Symbol::Kind::kJumpTable)
        for (uint32_t target : symbol->targets) lead(id, target);
      if (is_conditional_jump(insn.code)) lead(id, at + 1), lead(id, jump_target(insn, at));
      if (is_unconditional_jump(insn.code)) lead(id, jump_target(insn, at));
      if (is_conditional_jump(insn.code) || is_unconditional_jump(insn.code) || insn.code == kCodeExit ||
          insn.code == kCodeGotox)
        break;
    }
  }
}

std::vector<Place> Coverage::missing() const {
  std::vector<Place> out;
  for (uint32_t f = 0; f < blocks_.size(); ++f)
    for (uint32_t n = 0; n < blocks_[f].size(); ++n)
      if (blocks_[f][n] == kUnseen) out.push_back({FunctionId{f}, n});
  return out;
}

}  // namespace epass::judge
