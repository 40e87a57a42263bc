#pragma once
// Edits that several passes share.

#include "ir/function.h"

namespace epass {

// Beyond so many instructions jumps are not led past jumps: fewer jumps are fewer states that the verifier
// keeps to know a way again, and this is near its limit if each instruction is walked 80 times.
constexpr uint32_t kMostWithFewJumps = 12'000;

// Removes blocks that cannot be reached from the entry. Returns whether there were any.
bool remove_unreachable_blocks(Function& fn);

// Turns the terminator of `b` into a plain jump along its edge `n`.
void keep_only_edge(Function& fn, Block b, uint32_t n);

// Makes `result` of instruction `i` a constant, in place: home and origin stay.
void become_constant(Function& fn, Inst i, uint64_t value);

// Puts `v` in place of the result of `i`. If both had different homes, `i` becomes a copy: the move that it
// was in the input may be one that separates two lives of a register.
void replace_keeping_home(Function& fn, Inst i, Value v);
// Puts `v` in place of the result of `i`, which goes, unless the input kept one of them on the stack.
void replace_keeping_slot(Function& fn, Inst i, Value v);

// How often each value is used, in operands and edge arguments of placed blocks.
SideTable<Value, uint32_t> count_uses(const Function& fn);

}  // namespace epass
