#include "ir/eval.h"

#include "base/check.h"

namespace epass {
namespace {

uint64_t low(Width w, uint64_t x) { return w == Width::k32 ? uint32_t(x) : x; }
int64_t as_signed(Width w, uint64_t x) {
  return w == Width::k32 ? int64_t(int32_t(uint32_t(x))) : int64_t(x);
}

// Signed division as the kernel defines it: by zero gives zero, and the most negative number over -1 is
// itself.
int64_t sdiv(Width w, uint64_t x, uint64_t y) {
  int64_t a = as_signed(w, x), b = as_signed(w, y);
  if (b == 0) return 0;
  if (b == -1) return int64_t(0 - uint64_t(a));
  return a / b;
}
int64_t smod(Width w, uint64_t x, uint64_t y) {
  int64_t a = as_signed(w, x), b = as_signed(w, y);
  if (b == 0) return a;
  return b == -1 ? 0 : a % b;
}

uint64_t swap_bytes(uint64_t x, int bytes) {
  uint64_t r = 0;
  for (int n = 0; n < bytes; ++n) r = r << 8 | (x >> 8 * n & 0xff);
  return r;
}

}  // namespace

uint64_t eval_binary(Opcode op, Width w, uint64_t x, uint64_t y) {
  x = low(w, x), y = low(w, y);
  uint64_t shift = y & (uint64_t(w) - 1), r = 0;
  switch (op) {
    case Opcode::Add: r = x + y; break;
    case Opcode::Sub: r = x - y; break;
    case Opcode::Mul: r = x * y; break;
    case Opcode::UDiv: r = y ? x / y : 0; break;
    case Opcode::UMod: r = y ? x % y : x; break;
    case Opcode::SDiv: r = uint64_t(sdiv(w, x, y)); break;
    case Opcode::SMod: r = uint64_t(smod(w, x, y)); break;
    case Opcode::And: r = x & y; break;
    case Opcode::Or: r = x | y; break;
    case Opcode::Xor: r = x ^ y; break;
    case Opcode::Shl: r = x << shift; break;
    case Opcode::LShr: r = x >> shift; break;
    case Opcode::AShr: r = uint64_t(as_signed(w, x) >> shift); break;
    default: EPASS_CHECK(false, "not a binary operation");
  }
  return low(w, r);
}

uint64_t eval_unary(Opcode op, Width w, uint64_t x) {
  switch (op) {
    case Opcode::Copy:
    case Opcode::Le64: return x;
    case Opcode::Neg: return low(w, 0 - low(w, x));
    case Opcode::ZExt32:
    case Opcode::Le32: return uint32_t(x);
    case Opcode::Le16: return uint16_t(x);
    case Opcode::SExt8: return low(w, uint64_t(int64_t(int8_t(x))));
    case Opcode::SExt16: return low(w, uint64_t(int64_t(int16_t(x))));
    case Opcode::SExt32: return uint64_t(int64_t(int32_t(x)));
    case Opcode::Be16:
    case Opcode::BSwap16: return swap_bytes(x, 2);
    case Opcode::Be32:
    case Opcode::BSwap32: return swap_bytes(x, 4);
    case Opcode::Be64:
    case Opcode::BSwap64: return swap_bytes(x, 8);
    default: EPASS_CHECK(false, "not a unary operation"); return 0;
  }
}

bool eval_condition(Opcode op, Width w, uint64_t x, uint64_t y) {
  x = low(w, x), y = low(w, y);
  int64_t sx = as_signed(w, x), sy = as_signed(w, y);
  switch (op) {
    case Opcode::JumpEq: return x == y;
    case Opcode::JumpNe: return x != y;
    case Opcode::JumpGt: return x > y;
    case Opcode::JumpGe: return x >= y;
    case Opcode::JumpLt: return x < y;
    case Opcode::JumpLe: return x <= y;
    case Opcode::JumpSgt: return sx > sy;
    case Opcode::JumpSge: return sx >= sy;
    case Opcode::JumpSlt: return sx < sy;
    case Opcode::JumpSle: return sx <= sy;
    case Opcode::JumpSet: return (x & y) != 0;
    default: EPASS_CHECK(false, "not a condition"); return false;
  }
}

}  // namespace epass
