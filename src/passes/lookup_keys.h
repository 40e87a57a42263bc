#pragma once
// Stack slots that hold the keys of lookups.

#include <bitset>

#include "analysis/memory.h"
#include "bpf/contracts.h"
#include "bpf/insn.h"

namespace epass {

// By distance below the frame pointer. Kernels put the code of a lookup in place of the call if the key of an
// array is one constant: they see that only if the key was written by itself.
inline std::bitset<bpf::kStackSize + 1> find_keys(const Function& fn, const Cfg& cfg,
                                                  const MemoryModel& memory) {
  std::bitset<bpf::kStackSize + 1> keys;
  for (Block b : cfg.rpo)
    for (Inst i : fn.insts_of(b)) {
      if (fn.insts[i].op != Opcode::CallHelper || fn.insts[i].imm != bpf::kMapLookupElem) continue;
      const Pointee key = memory.pointee(fn.operand(i, 1));
      if (key.region == Region::kStack && !key.root && key.offset < 0 && key.offset >= -bpf::kStackSize)
        keys.set(size_t(-key.offset));
    }
  return keys;
}

}  // namespace epass
