#pragma once
// SSA to bytecode: legalise, select, assign registers and slots, order parallel moves, lay out, emit.

#include "base/result.h"
#include "bpf/program.h"
#include "ir/function.h"

namespace epass {

struct LowerOptions {
  bpf::Isa isa = bpf::Isa::kV3;
  // Give each value its home wherever that is possible and keep the input's encodings: an untouched function
  // comes out as it went in.
  bool keep_homes = true;
  bool tidy = false;                  // use what registers hold already: codegen/tidy.h
  int registers = 10;                 // how many of r0-r9 may hold values, 4 to 10: for tests
  int stack_limit = bpf::kStackSize;  // bytes that the function's frame may take
};

// `fn` is copied: critical edges are split and the like. Errors: `stack-limit`, `jump-range`, `isa`.
Result<bpf::NewCode> lower(const Function& fn, const LowerOptions& options);
// The same, but gives the memory of `fn` back as early as possible.
Result<bpf::NewCode> lower(Function&& fn, const LowerOptions& options);

}  // namespace epass
