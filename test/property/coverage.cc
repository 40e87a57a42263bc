#include "coverage.h"

#include <algorithm>

#include "bpf/disassemble.h"

namespace epass {

using namespace bpf;

// Where the second part of a form lies.
enum class Part : uint8_t { kNone, kOffset, kImmediate, kSource };
static Part part_of(uint8_t code) {
  uint8_t op = code & 0xf0, cls = code & 7;
  if (is_alu(code)) {
    if (op == kEnd) return Part::kImmediate;
    return op == kDiv || op == kMod || (op == kMov && code & kX) ? Part::kOffset : Part::kNone;
  }
  if (cls == kStx && (code & 0xe0) == kAtomic) return Part::kImmediate;
  return code == kCodeLdImm64 || code == kCodeCall ? Part::kSource : Part::kNone;
}

Coverage::Form Coverage::form_of(Insn insn) {
  switch (part_of(insn.code)) {
    case Part::kOffset: return {insn.code, insn.off};
    case Part::kImmediate: return {insn.code, insn.imm};
    case Part::kSource: return {insn.code, insn.src()};
    default: return {insn.code, 0};
  }
}

Insn Coverage::example(const Form& form) {
  auto [code, part] = form;
  Part where = part_of(code);
  return make_insn(code, 1, where == Part::kSource ? uint8_t(part) : 2,
                   where == Part::kOffset ? int16_t(part) : 0, where == Part::kImmediate ? part : 0);
}

const std::set<Coverage::Form>& Coverage::forms() {
  static const std::set<Form> kForms = [] {
    std::set<Form> out;
    auto add = [&](int code, int32_t part = 0) { out.insert({uint8_t(code), part}); };
    for (int cls : {kAlu, kAlu64}) {
      for (int form : {kK, kX}) {
        for (int op : {kAdd, kSub, kMul, kOr, kAnd, kLsh, kRsh, kXor, kMov, kArsh}) add(cls | op | form);
        for (int op : {kDiv, kMod})
          for (int is_signed : {0, 1}) add(cls | op | form, is_signed);
      }
      add(cls | kNeg);
      for (int bits : {8, 16, 32})
        if (cls == kAlu64 || bits < 32) add(cls | kMov | kX, bits);
    }
    for (int code : {kAlu | kEnd, kAlu | kEnd | kX, kAlu64 | kEnd})
      for (int bits : {16, 32, 64}) add(code, bits);
    for (int cls : {kJmp, kJmp32})
      for (int op : {kJeq, kJgt, kJge, kJset, kJne, kJsgt, kJsge, kJlt, kJle, kJslt, kJsle})
        for (int form : {kK, kX}) add(cls | op | form);
    for (int code : {kCodeJa, kCodeGotol, kCodeMayGoto, kCodeExit}) add(code);
    for (int source : {kHelperCall, kLocalCall}) add(kCodeCall, source);
    for (int source : {kPlain, kMapFd, kMapValue, kFuncPtr}) add(kCodeLdImm64, source);
    for (int size : {kB, kH, kW, kDw}) {
      for (int cls : {kLdx, kSt, kStx}) add(cls | kMem | size);
      for (int32_t op : {kLoadAcq, kStoreRel}) add(kStx | kAtomic | size, op);
      if (size == kDw) continue;
      for (int code : {kLdx | kMemsx, kLd | kAbs, kLd | kInd}) add(code | size);
    }
    for (int size : {kW, kDw}) {
      for (int32_t op : {kAdd, kOr, kAnd, kXor})
        for (int32_t fetch : {0, int32_t(kFetch)}) add(kStx | kAtomic | size, op | fetch);
      for (int32_t op : {kXchg, kCmpxchg}) add(kStx | kAtomic | size, op);
    }
    return out;
  }();
  return kForms;
}

void Coverage::add(const std::vector<Insn>& insns) {
  for (size_t i = 0; i < insns.size(); i += records(insns[i])) seen_.insert(form_of(insns[i]));
}

size_t Coverage::all() { return forms().size(); }

size_t Coverage::used() const { return forms().size() - missing().size(); }

std::vector<std::string> Coverage::missing() const {
  std::vector<std::string> out;
  for (const Form& form : forms()) {
    if (seen_.contains(form)) continue;
    std::vector<Insn> insns = {example(form), {}};
    out.push_back(disassemble(insns, 0));
  }
  return out;
}

}  // namespace epass
