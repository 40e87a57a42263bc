#include "passes/bit_of_test.h"

#include <bit>

#include "ir/opcode.h"

namespace epass {
namespace {

using Step = Steps::Step;

Step by(Opcode op, uint64_t constant, Width width = Width::k64) { return {op, width, {}, constant}; }

// Moves the only bit of a number from place to place.
void move_bit(Steps& steps, int from, int to) {
  if (from < to) steps.list.push_back(by(Opcode::Shl, uint64_t(to - from)));
  if (from > to) steps.list.push_back(by(Opcode::LShr, uint64_t(from - to)));
}

// The bit of `x` that alone may be set, if that is known.
std::optional<int> only_bit(const Function& fn, Value x, uint64_t most) {
  if (most == 1) return 0;
  const Inst mask = fn.def(fn.source(x));
  if (!mask || fn.insts[mask].op != Opcode::And) return {};
  const auto c = fn.constant(fn.operand(mask, 1), fn.insts[mask].width);
  return c && std::has_single_bit(*c) ? std::optional(std::countr_zero(*c)) : std::nullopt;
}

// Whether `x`, whose sign is tested, is no address for certain. Nobody tests the sign of what a helper gives
// unless it is a number.
bool is_number(const Function& fn, Value x, Width width) {
  const Inst i = fn.def(fn.source(x));
  if (!i) return false;
  const Opcode op = fn.insts[i].op;
  return (is_binary(op) && op != Opcode::Add && op != Opcode::Sub) || op == Opcode::SExt32 ||
         op == Opcode::ZExt32 || (op == Opcode::CallHelper && width == Width::k32);
}

}  // namespace

std::optional<Steps> bit_of_test(const Function& fn, const Ranges& ranges, Inst end, uint64_t taken,
                                 uint64_t otherwise) {
  const InstData& d = fn.insts[end];
  if ((taken == 0) == (otherwise == 0) || !std::has_single_bit(taken | otherwise)) return {};
  const int place = std::countr_zero(taken | otherwise);
  Opcode op = d.op;
  Value x = fn.operand(end, 0), y = fn.operand(end, 1);
  auto c = fn.constant(y, d.width);
  if (!taken) {  // what holds where the bit is wanted
    const auto opposite = negated(op);
    if (!opposite) return {};
    op = *opposite;
  }
  Steps steps{.start = x};
  if (op == Opcode::JumpSlt && c && *c == 0 && place == 0) {
    if (!is_number(fn, x, d.width)) return {};
    steps.list.push_back(by(Opcode::LShr, uint64_t(d.width) - 1, d.width));
    return steps;
  }
  const uint64_t most = ranges.of(x).word.umax;
  if (most > UINT32_MAX) return {};
  if (op == Opcode::JumpSet && c && std::has_single_bit(*c)) {
    steps.list.push_back(by(Opcode::And, *c, d.width));
    move_bit(steps, std::countr_zero(*c), place);
    return steps;
  }
  if (const auto bit = only_bit(fn, x, most); bit && c && (op == Opcode::JumpNe || op == Opcode::JumpEq)) {
    if (*c != 0 && *c != uint64_t{1} << *bit) return {};
    if ((op == Opcode::JumpEq) == (*c == 0)) steps.list.push_back(by(Opcode::Xor, uint64_t{1} << *bit));
    move_bit(steps, *bit, place);
    return steps;
  }
  // The difference of two numbers of 32 bits is negative if the second is larger.
  if (place != 0) return {};
  if (op == Opcode::JumpEq && c && *c == 0) op = Opcode::JumpLt, c = 1;
  if (op == Opcode::JumpNe && c && *c == 0) {
    steps.list.push_back({Opcode::Neg});
  } else if (op == Opcode::JumpLt || op == Opcode::JumpLe) {
    if (c) {
      const uint64_t bound = *c + (op == Opcode::JumpLe);
      if (bound == 0 || bound > 0x7fffffff) return {};
      steps.list.push_back(by(Opcode::Add, uint64_t{0} - bound));
    } else {
      if (op == Opcode::JumpLe || ranges.of(y).word.umax > UINT32_MAX) return {};
      steps.list.push_back({Opcode::Sub, Width::k64, y});
    }
  } else if (op == Opcode::JumpGt && !c) {
    if (ranges.of(y).word.umax > UINT32_MAX) return {};
    steps.start = y;
    steps.list.push_back({Opcode::Sub, Width::k64, x});
  } else {
    return {};
  }
  steps.list.push_back(by(Opcode::LShr, 63));
  return steps;
}

}  // namespace epass
