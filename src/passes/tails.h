#pragma once
// Ends of blocks as they look from behind, for passes that compare them.

#include <vector>

#include "analysis/cfg.h"

namespace epass {

struct Tail {
  Block block = {};
  std::vector<Inst> insts = {};       // the terminator, then what stands before it, going up
  std::vector<uint64_t> shapes = {};  // of insts[1..]
};

struct Position {
  size_t inst = 0, operand = 0;  // index into Tail::insts
};

// The last instructions of the block, up to 32 and as far as they may be shared with another block.
Tail find_tail(const Function& fn, Block b);
// Of the reachable blocks that end in one way, by a jump to the same place or by a return, where there is
// more than one of them.
std::vector<std::vector<Tail>> find_alike(const Function& fn, const Cfg& cfg);
// How many instructions before the terminators are alike.
size_t common_length(const Tail& a, const Tail& b);

// Operand k of the instruction; of a jump, argument k.
size_t operand_count(const Function& fn, const Tail& tail, size_t inst);
Value operand_at(const Function& fn, const Tail& tail, Position p);
void set_operand(Function& fn, const Tail& tail, Position p, Value v);
// Which of the last `length` instructions before the terminator makes the operand, counted from the end; 0:
// none of them.
size_t maker(const Function& fn, const Tail& tail, Position p, size_t length);

// Whether the helper takes a number there that may differ from way to way. Not of a tail call: the kernel
// jumps straight to the program only if its number is always the same (check_helper_call:
// bpf_map_key_poisoned).
bool takes_any_scalar(const InstData& call, size_t operand);

// 8-byte records that the instruction takes, at least.
int64_t records_of(const Function& fn, Inst i);

}  // namespace epass
