#include "ir/opcode.h"

namespace epass {

std::optional<Opcode> negated(Opcode op) {
  switch (op) {
    case Opcode::JumpEq: return Opcode::JumpNe;
    case Opcode::JumpNe: return Opcode::JumpEq;
    case Opcode::JumpGt: return Opcode::JumpLe;
    case Opcode::JumpGe: return Opcode::JumpLt;
    case Opcode::JumpLt: return Opcode::JumpGe;
    case Opcode::JumpLe: return Opcode::JumpGt;
    case Opcode::JumpSgt: return Opcode::JumpSle;
    case Opcode::JumpSge: return Opcode::JumpSlt;
    case Opcode::JumpSlt: return Opcode::JumpSge;
    case Opcode::JumpSle: return Opcode::JumpSgt;
    default: return std::nullopt;
  }
}

Opcode swapped(Opcode op) {
  switch (op) {
    case Opcode::JumpGt: return Opcode::JumpLt;
    case Opcode::JumpGe: return Opcode::JumpLe;
    case Opcode::JumpLt: return Opcode::JumpGt;
    case Opcode::JumpLe: return Opcode::JumpGe;
    case Opcode::JumpSgt: return Opcode::JumpSlt;
    case Opcode::JumpSge: return Opcode::JumpSle;
    case Opcode::JumpSlt: return Opcode::JumpSgt;
    case Opcode::JumpSle: return Opcode::JumpSge;
    default: return op;
  }
}

std::optional<Opcode> opcode_named(std::string_view mnemonic) {
  for (size_t i = 0; i < kOpcodes.size(); ++i)
    if (kOpcodes[i].mnemonic == mnemonic) return Opcode(i);
  return std::nullopt;
}

}  // namespace epass
