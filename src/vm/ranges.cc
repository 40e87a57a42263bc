// Arithmetic and comparisons on ranges.

#include "vm/ranges.h"

#include <algorithm>
#include <numeric>

#include "vm/op_facts.h"

namespace epass::vm {

namespace {

constexpr int64_t kMax32 = UINT32_MAX;
constexpr Range kUnknown = {};

Range checked(const Range& v) { return v.is_bounded() ? v : kUnknown; }
Range constant(int64_t k) { return checked({false, k, k, 0}); }
Range between(int64_t low, int64_t high) { return {false, low, high, low == high ? 0 : 1}; }
bool is_within(const Range& v, int64_t low, int64_t high) {
  return !v.frame && v.low >= low && v.high <= high;
}
// The lower half, as a number.
Range cut(const Range& v) { return is_within(v, 0, kMax32) ? v : between(0, kMax32); }

Range difference(const Range& a, const Range& b) {
  if (b.frame || !b.is_bounded()) return kUnknown;
  return sum(a, {false, -b.high, -b.low, b.step});
}

Range product(const Range& v, int64_t factor) {
  constexpr int64_t kMost = int64_t{1} << 31;  // of each: nothing overflows
  if (!is_within(v, -kMost, kMost) || factor < 0 || factor > kMost) return kUnknown;
  return checked({false, v.low * factor, v.high * factor, v.step * factor});
}

Range masked(const Range& v, int64_t mask) {
  if (mask == 0) return constant(0);
  if (is_within(v, 0, Range::kFar)) return between(0, mask < 0 ? v.high : std::min(v.high, mask));
  return mask < 0 ? kUnknown : checked({false, 0, mask, mask & -mask});
}

Range shifted_right(const Range& v, uint64_t by) {
  return is_within(v, 0, Range::kFar) ? between(v.low >> by, v.high >> by) : kUnknown;
}

Range result_of(const Op& op, const Range& x, const Range& y) {
  const int64_t k = int64_t(op.imm), k32 = int32_t(uint32_t(op.imm));
  switch (op.code) {
    case OpCode::kMov64K:
    case OpCode::kMov32K:
    case OpCode::kLoadImm: return constant(k);
    case OpCode::kMov64X: return y;
    case OpCode::kMov32X: return cut(y);
    case OpCode::kAdd64K: return sum(x, constant(k));
    case OpCode::kAdd64X: return sum(x, y);
    case OpCode::kAdd32K: return cut(sum(cut(x), constant(k32)));
    case OpCode::kAdd32X: return cut(sum(cut(x), cut(y)));
    case OpCode::kSub64K: return difference(x, constant(k));
    case OpCode::kSub64X: return difference(x, y);
    case OpCode::kSub32K: return cut(difference(cut(x), constant(k32)));
    case OpCode::kSub32X: return cut(difference(cut(x), cut(y)));
    case OpCode::kMul64K: return product(x, k);
    case OpCode::kMul32K: return cut(product(cut(x), k));
    case OpCode::kLsh64K: return product(x, int64_t{1} << std::min(k & 63, int64_t{40}));
    case OpCode::kLsh32K: return cut(product(cut(x), int64_t{1} << (k & 31)));
    case OpCode::kAnd64K: return masked(x, k);
    case OpCode::kAnd32K: return masked(cut(x), k);
    case OpCode::kRsh64K: return shifted_right(x, op.imm & 63);
    case OpCode::kRsh32K: return shifted_right(cut(x), op.imm & 31);
    case OpCode::kLoad1: return between(0, UINT8_MAX);
    case OpCode::kLoad2: return between(0, UINT16_MAX);
    default: return kUnknown;
  }
}

// Only numbers from `low` to `high` remain, if any.
bool keep(Range& v, int64_t low, int64_t high) {
  const int64_t step = std::max<int64_t>(v.step, 1);
  if (low > v.low) v.low = step == 1 ? low : v.low + (low - v.low + step - 1) / step * step;
  if (v.low > v.high) return false;
  if (high < v.high) v.high = step == 1 ? high : v.low + (high - v.low) / step * step;
  if (v.low > v.high || high < v.low) return false;
  if (v.low == v.high) v.step = 0;
  return true;
}

bool drop(Range& v, int64_t k) {
  if (v.low == k && v.high == k) return false;
  if (v.low == k) v.low += v.step;
  if (v.high == k) v.high -= v.step;
  if (v.low == v.high) v.step = 0;
  return true;
}

}  // namespace

Range sum(const Range& a, const Range& b) {
  if ((a.frame && b.frame) || !a.is_bounded() || !b.is_bounded()) return kUnknown;
  return checked({a.frame || b.frame, a.low + b.low, a.high + b.high, std::gcd(a.step, b.step)});
}

Range join(const Range& a, const Range& b) {
  if (a.frame != b.frame) return kUnknown;
  Range out{a.frame, std::min(a.low, b.low), std::max(a.high, b.high), 1};
  if (out.is_bounded()) out.step = std::gcd(std::gcd(a.step, b.step), a.low - b.low);
  return out;
}

Range widened(const Range& before, const Range& grown, std::span<const int64_t> limits) {
  const bool up = grown.high > before.high, down = grown.low < before.low;
  if (grown.frame != before.frame || (!up && !down) || !grown.is_bounded()) return grown;
  if (grown.frame) return kUnknown;
  Range out = grown;
  if (up) {
    const auto next = std::ranges::lower_bound(limits, grown.high);
    out.high = next == limits.end() ? INT64_MAX : grown.high + (*next - grown.high) / grown.step * grown.step;
  }
  if (down) {
    const auto next = std::ranges::upper_bound(limits, grown.low);
    out.low =
        next == limits.begin() ? INT64_MIN : grown.low - (grown.low - next[-1]) / grown.step * grown.step;
  }
  if (!out.is_bounded()) out.step = 1;
  return out;
}

void execute(const Op& op, Ranges& ranges) {
  const Range result = result_of(op, ranges[op.dst], ranges[op.src]);
  const uint32_t changed = changed_by(op);
  for (size_t r = 0; r < bpf::kFrameRegister; ++r)
    if (changed >> r & 1) ranges[r] = kUnknown;
  if (op.code < OpCode::kStoreK1 && changed) ranges[op.dst] = result;
}

bool assume(const Op& jump, bool taken, Ranges& ranges) {
  if (jump.code > OpCode::kJsle32X) return true;
  // In the order of opcodes.def.
  enum Kind : unsigned { kEq, kNe, kGt, kGe, kLt, kLe, kSet, kSgt, kSge, kSlt, kSle };
  static constexpr Kind kOpposites[] = {kNe, kEq, kLe, kLt, kGe, kGt, kSet, kSle, kSlt, kSge, kSgt};
  const unsigned n = unsigned(jump.code) - unsigned(OpCode::kJeq64K);
  const Kind kind = taken ? Kind(n / 4) : kOpposites[n / 4];
  const bool wide = n % 4 < 2, has_register = n % 2, is_signed = kind >= kSgt;
  Range& v = ranges[jump.dst];
  if (has_register || kind == kSet || v.frame) return true;
  // Halves: only where they are the whole number.
  if (!wide && !is_within(v, 0, is_signed ? INT32_MAX : kMax32)) return true;
  const int64_t k = wide        ? int64_t(jump.imm)
                    : is_signed ? int64_t(int32_t(uint32_t(jump.imm)))
                                : int64_t(uint32_t(jump.imm));
  const bool is_less = kind == kLt || kind == kLe, is_greater = kind == kGt || kind == kGe;
  if ((is_less || is_greater) && k < 0) return true;
  if (is_greater && v.low < 0) return true;
  switch (kind) {
    case kEq: return keep(v, k, k);
    case kNe: return drop(v, k);
    case kGt:
    case kSgt: return keep(v, k + 1, INT64_MAX);
    case kGe:
    case kSge: return keep(v, k, INT64_MAX);
    case kLt: return keep(v, 0, k - 1);
    case kLe: return keep(v, 0, k);
    case kSlt: return keep(v, INT64_MIN, k - 1);
    case kSle: return keep(v, INT64_MIN, k);
    case kSet: break;
  }
  return true;
}

}  // namespace epass::vm
