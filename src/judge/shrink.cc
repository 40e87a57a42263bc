// Delta debugging on instructions.

#include "judge/shrink.h"

#include <algorithm>

namespace epass::judge {
namespace {

using namespace bpf;

// An instruction whose target is an item, so that items can be deleted.
struct Item {
  Insn insn = {}, second = {};
  size_t target = SIZE_MAX;
  SymbolId symbol = {};  // what it refers to instead
  uint32_t core = UINT32_MAX, origin = 0;
};

// Whether its target is a distance in the same code.
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

NewCode join(const std::vector<Item>& items) {
  std::vector<size_t> at;
  size_t size = 0;
  for (const Item& item : items) at.push_back(size), size += records(item.insn);
  at.push_back(size);
  NewCode out;
  for (const Item& item : items) {
    Insn insn = item.insn;
    const uint32_t here = uint32_t(out.insns.size());
    if (item.symbol) out.attachments.push_back({here, item.symbol});
    if (item.core != UINT32_MAX) out.core.push_back({here, item.core});
    if (item.target != SIZE_MAX) {
      int64_t distance = int64_t(at[std::min(item.target, items.size())]) - int64_t(here) - 1;
      if (by_offset(insn))
        insn.off = int16_t(distance);
      else
        insn.imm = int32_t(distance);
    }
    out.insns.push_back(insn);
    if (is_ld_imm64(insn)) out.insns.push_back(item.second);
    out.origin.resize(out.insns.size(), item.origin);
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
    if (insn != item.insn)
      out.push_back({.insn = insn, .target = refers(insn) ? item.target : SIZE_MAX, .origin = item.origin});
  };
  Insn insn = item.insn;
  if (item.symbol && insn.code == kCodeCall) add(make_insn(kAlu64 | kMov, 0, 0, 0, 1));
  if (item.symbol || item.core != UINT32_MAX) return out;
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

void shrink_items(std::vector<Item>& items, const std::function<bool(const NewCode&)>& holds, int tries) {
  auto accept = [&](std::vector<Item> candidate) {
    if (candidate.empty() || tries-- <= 0) return false;
    if (!holds(join(candidate))) return false;
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
}

}  // namespace

std::vector<Insn> shrink(std::vector<Insn> insns, const StillHolds& holds, int tries) {
  std::vector<Item> items = split(insns);
  shrink_items(items, [&](const NewCode& code) { return holds(code.insns); }, tries);
  return join(items).insns;
}

NewCode shrink(const Function& fn, const std::function<bool(const NewCode&)>& holds, int tries) {
  for (Insn insn : fn.insns)
    if (insn.code == kCodeGotox) return code_of(fn);
  std::vector<Item> items = split(fn.insns);
  std::vector<size_t> number(fn.insns.size());
  size_t at = 0;
  for (size_t n = 0; n < items.size(); ++n) {
    number[at] = n;
    items[n].origin = uint32_t(at);
    at += records(items[n].insn);
  }
  for (const Attachment& a : fn.attachments) {
    items[number[a.insn]].symbol = a.symbol;
    items[number[a.insn]].target = SIZE_MAX;
  }
  for (const CoreRecord& c : fn.core) items[number[c.insn]].core = c.id;
  shrink_items(items, holds, tries);
  return join(items);
}

NewCode code_of(const Function& fn) {
  NewCode code{.insns = fn.insns, .attachments = fn.attachments, .core = fn.core};
  for (uint32_t n = 0; n < fn.insns.size(); ++n) code.origin.push_back(n);
  return code;
}

NewCode empty_code() {
  return {.insns = {make_insn(kAlu64 | kMov, 0, 0, 0, 0), make_insn(kCodeExit, 0, 0, 0, 0)},
          .origin = {0, 0}};
}

}  // namespace epass::judge
