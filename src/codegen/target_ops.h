#pragma once
// How the target encodes the operations of the IR.

#include "bpf/insn.h"
#include "ir/opcode.h"

namespace epass {

inline uint8_t size_code(MemSize size) {
  switch (bytes_of(size)) {
    case 1: return bpf::kB;
    case 2: return bpf::kH;
    case 4: return bpf::kW;
    default: return bpf::kDw;
  }
}

inline uint8_t alu_op(Opcode op) {
  switch (op) {
    case Opcode::Add: return bpf::kAdd;
    case Opcode::Sub: return bpf::kSub;
    case Opcode::Mul: return bpf::kMul;
    case Opcode::UDiv:
    case Opcode::SDiv: return bpf::kDiv;
    case Opcode::UMod:
    case Opcode::SMod: return bpf::kMod;
    case Opcode::And: return bpf::kAnd;
    case Opcode::Or: return bpf::kOr;
    case Opcode::Xor: return bpf::kXor;
    case Opcode::Shl: return bpf::kLsh;
    case Opcode::LShr: return bpf::kRsh;
    case Opcode::AShr: return bpf::kArsh;
    default: return bpf::kNeg;
  }
}

inline uint8_t jump_op(Opcode op) {
  constexpr uint8_t kOps[] = {bpf::kJeq,  bpf::kJne,  bpf::kJgt,  bpf::kJge,  bpf::kJlt, bpf::kJle,
                              bpf::kJsgt, bpf::kJsge, bpf::kJslt, bpf::kJsle, bpf::kJset};
  return kOps[size_t(op) - size_t(Opcode::JumpEq)];
}

inline int32_t atomic_imm(Opcode op) {
  switch (op) {
    case Opcode::AtomicAdd: return bpf::kAdd;
    case Opcode::AtomicAnd: return bpf::kAnd;
    case Opcode::AtomicOr: return bpf::kOr;
    case Opcode::AtomicXor: return bpf::kXor;
    case Opcode::FetchAdd: return int32_t{bpf::kAdd} | bpf::kFetch;
    case Opcode::FetchAnd: return int32_t{bpf::kAnd} | bpf::kFetch;
    case Opcode::FetchOr: return int32_t{bpf::kOr} | bpf::kFetch;
    case Opcode::FetchXor: return int32_t{bpf::kXor} | bpf::kFetch;
    case Opcode::Xchg: return bpf::kXchg;
    case Opcode::CmpXchg: return bpf::kCmpxchg;
    case Opcode::LoadAcquire: return bpf::kLoadAcq;
    default: return bpf::kStoreRel;
  }
}

}  // namespace epass
