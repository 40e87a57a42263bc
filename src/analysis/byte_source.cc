#include "analysis/byte_source.h"

namespace epass {
namespace {

using Kind = ByteSource::Kind;
constexpr ByteSource kZero = {};

// Both sides of an `or`: one of them must be known to be zero.
ByteSource joined(const ByteSource& a, const ByteSource& b, const ByteSource& self) {
  if (a.kind == Kind::kConstant && b.kind == Kind::kConstant)
    return {Kind::kConstant, {}, uint8_t(a.byte | b.byte)};
  if (a == kZero || a == b) return b;
  return b == kZero ? a : self;
}

ByteSource masked(const ByteSource& a, uint8_t mask, const ByteSource& self) {
  if (a.kind == Kind::kConstant) return {Kind::kConstant, {}, uint8_t(a.byte & mask)};
  return mask == 0 ? kZero : mask == 0xff ? a : self;
}

class Search {
 public:
  explicit Search(const Function& fn) : fn_(fn) {}

  ByteSource follow(Value v, unsigned n) {
    v = fn_.resolve(v);
    const ByteSource self{Kind::kValue, v, uint8_t(n)};
    const Inst i = fn_.def(v);
    if (!i || ++steps_ > kMaxSteps) return self;
    const InstData& d = fn_.insts[i];
    const unsigned bytes = d.width == Width::k32 ? 4 : 8;
    if (n >= bytes && (is_binary(d.op) || d.op == Opcode::Neg)) return kZero;
    const Value x = d.operand_count ? fn_.operand(i, 0) : Value{};
    switch (d.op) {
      case Opcode::Const:
        return d.core == kNoCore ? ByteSource{Kind::kConstant, {}, uint8_t(uint64_t(d.imm) >> 8 * n)} : self;
      case Opcode::Copy:
      case Opcode::Le64: return follow(x, n);
      case Opcode::ZExt32:
      case Opcode::Le32: return n < 4 ? follow(x, n) : kZero;
      case Opcode::Le16: return n < 2 ? follow(x, n) : kZero;
      case Opcode::Be16:
      case Opcode::BSwap16: return n < 2 ? follow(x, 1 - n) : kZero;
      case Opcode::Be32:
      case Opcode::BSwap32: return n < 4 ? follow(x, 3 - n) : kZero;
      case Opcode::Be64:
      case Opcode::BSwap64: return follow(x, 7 - n);
      case Opcode::Load:
        // What is loaded is a byte of the load; above its size there is nothing.
        return d.size <= MemSize::kU64 && n >= bytes_of(d.size) && d.core == kNoCore ? kZero : self;
      case Opcode::Or: return joined(follow(x, n), follow(fn_.operand(i, 1), n), self);
      case Opcode::And: {
        const auto c = fn_.constant(fn_.operand(i, 1), d.width);
        return c ? masked(follow(x, n), uint8_t(*c >> 8 * n), self) : self;
      }
      case Opcode::Shl:
      case Opcode::LShr: {
        const auto c = fn_.constant(fn_.operand(i, 1), d.width);
        if (!c || *c % 8 || *c >= 8 * bytes) return self;
        const int from = int(n) + int(*c / 8) * (d.op == Opcode::Shl ? -1 : 1);
        return from >= 0 && from < int(bytes) ? follow(x, unsigned(from)) : kZero;
      }
      default: return self;
    }
  }

 private:
  // Enough for the eight bytes of a word; an `or` of the same value again and again would double each time.
  static constexpr int kMaxSteps = 64;

  const Function& fn_;
  int steps_ = 0;
};

}  // namespace

ByteSource byte_source(const Function& fn, Value v, unsigned n) { return Search(fn).follow(v, n); }

}  // namespace epass
