#include "bpf/insn.h"

#include <algorithm>

namespace epass::bpf {

Isa isa_of(Insn insn) {
  uint8_t op = insn.code & 0xf0;
  switch (insn.cls()) {
    case kAlu:
    case kAlu64:
      if (op == kEnd) return insn.cls() == kAlu64 ? Isa::kV4 : Isa::kV1;
      if (insn.off != 0 && (op == kDiv || op == kMod || op == kMov)) return Isa::kV4;
      return insn.cls() == kAlu ? Isa::kV3 : Isa::kV1;
    case kJmp32: return op == kJa ? Isa::kV4 : Isa::kV3;
    case kJmp:
      if (op == kJcond || insn.code == kCodeGotox) return Isa::kV4;
      return op == kJlt || op == kJle || op == kJslt || op == kJsle ? Isa::kV2 : Isa::kV1;
    case kLdx: return (insn.code & 0xe0) == kMemsx ? Isa::kV4 : Isa::kV1;
    case kStx:
      if ((insn.code & 0xe0) != kAtomic || insn.imm == kAdd) return Isa::kV1;
      return insn.imm == kLoadAcq || insn.imm == kStoreRel ? Isa::kV4 : Isa::kV3;
    default: return Isa::kV1;
  }
}

Isa isa_of(std::span<const Insn> insns) {
  Isa isa = Isa::kV1;
  for (size_t i = 0; i < insns.size(); i += records(insns[i])) isa = std::max(isa, isa_of(insns[i]));
  return isa;
}

}  // namespace epass::bpf
