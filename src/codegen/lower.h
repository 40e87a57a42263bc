#pragma once
// SSA to bytecode: legalise, select, assign registers and slots, order parallel moves, lay out, emit.

#include "base/result.h"
#include "bpf/program.h"
#include "ir/function.h"

namespace epass {

// What the registers that values had in the input are worth.
enum class Homes : uint8_t {
  kKept,       // wherever possible, encodings of constants too: an untouched function comes out as it went in
  kPreferred,  // when a value's turn comes, its home is tried first; constants are made where they are used
  kLast,       // what spares a move is tried before the home
};

struct LowerOptions {
  bpf::Isa isa = bpf::Isa::kV3;
  Homes homes = Homes::kKept;
  bool tidy = false;                  // use what registers hold already: codegen/tidy.h
  int registers = 10;                 // how many of r0-r9 may hold values, 4 to 10: for tests
  int stack_limit = bpf::kStackSize;  // bytes that the function's frame may take
};

// `fn` is copied: critical edges are split and the like. Errors: `stack-limit`, `jump-range`, `isa`.
Result<bpf::NewCode> lower(const Function& fn, const LowerOptions& options);
// The same, but gives the memory of `fn` back as early as possible.
Result<bpf::NewCode> lower(Function&& fn, const LowerOptions& options);

}  // namespace epass
