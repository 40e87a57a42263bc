#pragma once
// What instructions compute, on constants. The one place of the compiler that does; vm/ has its own, as a
// judge.

#include <cstdint>

#include "ir/opcode.h"

namespace epass {

uint64_t eval_binary(Opcode op, Width width, uint64_t a, uint64_t b);
uint64_t eval_unary(Opcode op, Width width, uint64_t a);
bool eval_condition(Opcode op, Width width, uint64_t a, uint64_t b);

}  // namespace epass
