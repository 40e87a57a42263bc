#pragma once
// Bytecode to SSA.
//
// Every reachable instruction of the function becomes one IR instruction that keeps its origin and the home
// register of its result; nothing is simplified here, so that lowering an untouched function gives the same
// bytes:
//   * a 64-bit register move is a `copy`, a 32-bit one a `zext32`; constants keep their encoding (`form`)
//   * immediates are `const` instructions without home, right before their user, with its origin
//   * r10 as base of a load or store is a `slot_addr` without home right before its user; `r2 = r10` is one
//     with home r2. Slot 0 is the whole own frame, `size` its deepest known use (512 when unknown)
//   * blocks in input order; unreachable code is left out; edge 0 is the jump, edge 1 the fall-through
//   * block parameters for registers that differ by predecessor, where they are live; home = that register
//   * r1-r5 after a call and what was never written are `undef`
//   * entry parameters are r1..rn: n = highest argument register that is live at entry, or as the signature
//     says
// docs/lifting.md tells how.

#include "base/result.h"
#include "bpf/program.h"
#include "ir/function.h"

namespace epass {

// What lifting one function needs to know about the others: how many argument registers each reads.
struct CallFacts {
  SideTable<bpf::FunctionId, uint8_t> args = SideTable<bpf::FunctionId, uint8_t>(bpf::kMaxArguments);
};
CallFacts analyze_calls(const bpf::Program& program);

// Errors: an instruction no kernel has, a jump outside the function or into an ld_imm64, code that runs off
// its end.
Result<Function> lift(const bpf::Program& program, bpf::FunctionId id, const CallFacts& facts);

}  // namespace epass
