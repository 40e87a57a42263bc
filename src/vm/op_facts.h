#pragma once
// What can be said about an operation without running it.

#include "vm/executable.h"

namespace epass::vm {

inline bool is_access(OpCode code) { return code >= OpCode::kLoad1 && code <= OpCode::kAtomic; }
inline bool is_store(OpCode code) { return code >= OpCode::kStoreK1 && code <= OpCode::kAtomic; }
// Goes to `target`, always or not.
inline bool is_jump(OpCode code) { return code >= OpCode::kJeq64K && code <= OpCode::kMayGoto; }
// Control comes to the operation behind it, or may.
inline bool goes_on(OpCode code) {
  return code != OpCode::kJa && code != OpCode::kExit && code != OpCode::kGotox && code != OpCode::kFault &&
         code != OpCode::kLeaves;
}

inline uint32_t access_size(const Op& op) {
  switch (op.code) {
    case OpCode::kLoad1:
    case OpCode::kLoadSigned1:
    case OpCode::kStoreK1:
    case OpCode::kStoreX1: return 1;
    case OpCode::kLoad2:
    case OpCode::kLoadSigned2:
    case OpCode::kStoreK2:
    case OpCode::kStoreX2: return 2;
    case OpCode::kLoad4:
    case OpCode::kLoadSigned4:
    case OpCode::kStoreK4:
    case OpCode::kStoreX4: return 4;
    case OpCode::kAtomic: return op.target;
    default: return 8;
  }
}

// Registers that it changes, as a mask.
inline uint32_t changed_by(const Op& op) {
  if (op.code == OpCode::kAtomic) return 1u << op.src | 1u;
  if (op.code < OpCode::kStoreK1) return 1u << op.dst;
  if (op.code == OpCode::kPacketAbs || op.code == OpCode::kPacketInd) return 1u;
  if (op.code >= OpCode::kCallFunction && op.code <= OpCode::kCallRegister) return 0x3f;
  return 0;
}

// The operation behind it.
inline uint32_t next_of(const Op& op, uint32_t i) {
  return i + (op.code == OpCode::kLoadImm || op.code == OpCode::kLoadAddress ? 2 : 1);
}

}  // namespace epass::vm
