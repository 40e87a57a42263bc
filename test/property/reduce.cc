#include "reduce.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/format.h"
#include "bpf/disassemble.h"
#include "object/dump.h"

namespace epass {
namespace {

using namespace bpf;

// An instruction whose target is an item, so that items can be deleted.
struct Item {
  Insn insn = {}, second = {};
  size_t target = SIZE_MAX;
};

bool refers(Insn insn) {
  bool code_address = is_ld_imm64(insn) && insn.src() == kFuncPtr;
  bool call = insn.code == kCodeCall && insn.src() == kLocalCall;
  return code_address || call || is_unconditional_jump(insn.code) || is_conditional_jump(insn.code);
}
bool by_offset(Insn insn) { return is_jmp(insn.code) && insn.code != kCodeGotol && insn.code != kCodeCall; }

std::vector<Item> split(const std::vector<Insn>& insns) {
  std::vector<size_t> number(insns.size() + 1);
  std::vector<Item> items;
  for (size_t i = 0; i < insns.size(); i += records(insns[i])) {
    number[i] = items.size();
    items.push_back({.insn = insns[i]});
    if (is_ld_imm64(insns[i])) number[i + 1] = items.size() - 1, items.back().second = insns[i + 1];
  }
  number[insns.size()] = items.size();
  for (size_t i = 0; i < insns.size(); i += records(insns[i])) {
    if (!refers(insns[i])) continue;
    int64_t to = int64_t(i) + 1 + (by_offset(insns[i]) ? insns[i].off : insns[i].imm);
    items[number[i]].target = number[size_t(std::clamp<int64_t>(to, 0, int64_t(insns.size())))];
  }
  return items;
}

std::vector<Insn> join(const std::vector<Item>& items) {
  std::vector<size_t> at;
  size_t size = 0;
  for (const Item& item : items) at.push_back(size), size += records(item.insn);
  at.push_back(size);
  std::vector<Insn> out;
  for (const Item& item : items) {
    Insn insn = item.insn;
    if (item.target != SIZE_MAX) {
      int64_t distance = int64_t(at[std::min(item.target, items.size())]) - int64_t(out.size()) - 1;
      if (by_offset(insn))
        insn.off = int16_t(distance);
      else
        insn.imm = int32_t(distance);
    }
    out.push_back(insn);
    if (is_ld_imm64(insn)) out.push_back(item.second);
  }
  return out;
}

std::vector<Item> without(const std::vector<Item>& items, size_t from, size_t count) {
  std::vector<Item> out;
  for (size_t n = 0; n < items.size(); ++n) {
    if (n >= from && n < from + count) continue;
    out.push_back(items[n]);
    size_t& target = out.back().target;
    if (target == SIZE_MAX || target <= from) continue;
    target = target < from + count ? from : target - count;
  }
  return out;
}

// Simpler instructions that may do in place of this one.
std::vector<Item> simpler(const Item& item) {
  std::vector<Item> out;
  auto add = [&](Insn insn) {
    if (insn != item.insn) out.push_back({.insn = insn, .target = refers(insn) ? item.target : SIZE_MAX});
  };
  Insn insn = item.insn;
  if (is_ld_imm64(insn) && insn.src()) return out;
  bool writes = is_alu(insn.code) || insn.cls() == kLdx || is_ld_imm64(insn);
  if (writes)
    for (int value : {0, 1, -1}) add(make_insn(kAlu64 | kMov, insn.dst(), 0, 0, value));
  if (is_conditional_jump(insn.code)) add(make_insn(kCodeJa, 0, 0, 0, 0));
  if (insn.code == kCodeGotol) add(make_insn(kCodeJa, 0, 0, 0, 0));
  if (insn.code == kCodeCall && insn.src() == kLocalCall) add(make_insn(kAlu64 | kMov, 0, 0, 0, 1));
  bool has_immediate = (is_alu(insn.code) && !(insn.code & kX) && (insn.code & 0xf0) != kEnd) ||
                       (is_conditional_jump(insn.code) && !(insn.code & kX)) || insn.cls() == kSt;
  if (has_immediate)
    for (int value : {0, 1, insn.imm / 16}) {
      Insn smaller = insn;
      smaller.imm = value;
      if (std::abs(int64_t{value}) < std::abs(int64_t{insn.imm})) add(smaller);
    }
  return out;
}

}  // namespace

std::vector<Insn> reduce(std::vector<Insn> insns, const StillFails& fails, int tries) {
  std::vector<Item> items = split(insns);
  auto accept = [&](std::vector<Item> candidate) {
    if (candidate.empty() || tries-- <= 0) return false;
    if (!fails(join(candidate))) return false;
    items = std::move(candidate);
    return true;
  };
  for (bool again = true; again && tries > 0;) {
    again = false;
    for (size_t count = std::max<size_t>(items.size() / 2, 1); count; count /= 2)
      for (size_t from = items.size(); from > 0;) {
        from = from > count ? from - count : 0;
        if (from + count <= items.size() && accept(without(items, from, count))) again = true;
      }
    for (size_t n = 0; n < items.size(); ++n)
      for (const Item& item : simpler(items[n])) {
        std::vector<Item> candidate = items;
        candidate[n] = item;
        if (accept(std::move(candidate))) {
          again = true;
          break;
        }
      }
  }
  return join(items);
}

std::string listing(const std::vector<Insn>& insns) {
  auto program = object::split_flat(insns, "random");
  std::string text;
  if (!program) {
    for (uint32_t i = 0; i < insns.size(); i += records(insns[i]))
      text += format("{:4}: {}\n", i, disassemble(insns, i));
    return text;
  }
  for (uint32_t n = 0; n < program->functions.size(); ++n) {
    const Function& fn = program->functions[FunctionId{n}];
    text += fn.name + ":\n";
    for (uint32_t i = 0; i < fn.insns.size(); i += records(fn.insns[i])) {
      const Symbol* symbol = nullptr;
      for (const Attachment& a : fn.attachments)
        if (a.insn == i) symbol = &program->symbols[a.symbol];
      bool jumps = refers(fn.insns[i]) && !symbol;
      std::string target = jumps ? std::to_string(jump_target(fn.insns[i], i)) : "";
      text += format("{:4}: {}\n", i, disassemble(fn.insns, i, symbol, target));
    }
  }
  return text;
}

}  // namespace epass
