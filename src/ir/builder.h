#pragma once
#include <initializer_list>

#include "ir/function.h"

namespace epass {

// Inserts instructions at one point of a function: before an instruction, or at the end of a block. What it
// inserts before an instruction takes over that instruction's origin.
class Builder {
 public:
  static Builder before(Function& fn, Inst i) {
    return Builder(fn, fn.insts[i].block, i, fn.insts[i].origin);
  }
  static Builder at_end(Function& fn, Block b, uint32_t origin = kNoOrigin) {
    return Builder(fn, b, {}, origin);
  }

  Value constant(int64_t imm) { return value({.op = Opcode::Const, .imm = imm}); }
  Value undef() { return value({.op = Opcode::Undef}); }
  Value copy(Value v) { return value({.op = Opcode::Copy}, {v}); }
  Value zext32(Value v) { return value({.op = Opcode::ZExt32}, {v}); }
  Value unary(Opcode op, Width w, Value a) { return value({.op = op, .width = w}, {a}); }
  Value binary(Opcode op, Width w, Value a, Value b) { return value({.op = op, .width = w}, {a, b}); }
  Value binary(Opcode op, Width w, Value a, int64_t b) { return binary(op, w, a, constant(b)); }
  Value load(MemSize size, Value base, int16_t offset) {
    return value({.op = Opcode::Load, .size = size, .offset = offset}, {base});
  }
  void store(MemSize size, Value base, int16_t offset, Value v) {
    insert({.op = Opcode::Store, .size = size, .offset = offset}, {base, v});
  }

  void ret(Value v) { insert({.op = Opcode::Return}, {v}); }
  void jump(Block to, std::span<const Value> args = {}) {
    Edge e = fn_.set_targets(insert({.op = Opcode::Jump}, {}), std::span(&to, 1));
    fn_.set_args(e, args);
  }
  // A conditional jump; returns its first edge (taken), the next id is the other one.
  Edge branch(Opcode op, Width w, Value a, Value b, Block taken, Block otherwise) {
    Block targets[] = {taken, otherwise};
    return fn_.set_targets(insert({.op = op, .width = w}, {a, b}), targets);
  }

  Inst insert(InstData data, std::initializer_list<Value> operands) {
    if (data.origin == kNoOrigin) data.origin = origin_;
    std::span<const Value> list(operands.begin(), operands.size());
    return before_ ? fn_.insert_before(before_, data, list) : fn_.append(block_, data, list);
  }
  Value value(InstData data, std::initializer_list<Value> operands = {}) {
    return fn_.insts[insert(data, operands)].result;
  }

 private:
  Builder(Function& fn, Block block, Inst before, uint32_t origin)
      : fn_(fn), block_(block), before_(before), origin_(origin) {}

  Function& fn_;
  Block block_;
  Inst before_;
  uint32_t origin_;
};

}  // namespace epass
