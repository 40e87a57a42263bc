// Lets instructions take constants as immediates instead of from a register.
//
//     v1 = const 7   @3:r2                v1 = const 7   @3:r2      (for dce, if that was its last user)
//     store.u8 v0+4, v1             =>    store.u8 v0+4, 7
//     v3 = add v2, v1                     v3 = add v2, 7
//
// Not where the target has no such form: 64-bit constants, a zero divisor, a shift by the width or more. And
// not for stores that may go to the context, which kernels before 6.4 refuse. A CO-RE constant moves there
// with its record, if nothing else uses it and the loader would write the same number.

#include "ir/builder.h"
#include "pass/pass.h"

namespace epass {
namespace {

// What a value may point to. Pointers to the context are spilled like any other, so what is loaded from the
// stack may be one; what is loaded from the context never is.
enum Pointee : uint8_t { kContext = 1, kStack = 2 };

// Bits of Pointee for every value.
SideTable<Value, uint8_t> find_pointees(const Function& fn, const Users& users) {
  SideTable<Value, uint8_t> pointees(fn.values.size(), 0);
  std::vector<Value> work;
  auto reach = [&](Value v, uint8_t bits) {
    if ((pointees[v] | bits) == pointees[v]) return;
    pointees.at(v) |= bits;
    work.push_back(v);
  };
  for (Value v : fn.params(fn.entry())) reach(v, fn.is_entry ? kContext : kContext | kStack);
  for (Block b : fn.all_blocks()) {
    for (Inst i : fn.insts_of(b)) {
      const InstData& d = fn.insts[i];
      if (d.op == Opcode::SlotAddr) reach(d.result, kStack);
      if (d.op == Opcode::CallFunc || d.op == Opcode::CallX) reach(d.result, kContext | kStack);
    }
  }
  while (!work.empty()) {
    const Value v = work.back();
    work.pop_back();
    for (Inst i : users.of(v)) {
      const InstData& d = fn.insts[i];
      if (d.op == Opcode::Copy || d.op == Opcode::Add || d.op == Opcode::Sub) reach(d.result, pointees[v]);
      if (d.op == Opcode::Load && d.size == MemSize::kU64 && (pointees[v] & kStack))
        reach(d.result, kContext | kStack);
      for (uint32_t n = 0; n < d.edge_count; ++n) {
        Edge e = fn.edge(i, n);
        auto params = fn.params(fn.edges[e].to);
        for (size_t k = 0; k < params.size(); ++k)
          if (fn.resolve(fn.args(e)[k]) == v) reach(params[k], pointees[v]);
      }
    }
  }
  return pointees;
}

bool fits(int64_t imm, Width width) {
  return imm == int32_t(imm) || (width == Width::k32 && imm == uint32_t(imm));
}

class Immediates {
 public:
  Immediates(Function& fn, Analyses& analyses) : fn_(fn), analyses_(analyses) {}

  Changed run() {
    Changed changed = Changed::kNothing;
    for (Inst i : fn_.all_insts())
      if (visit(i)) changed = Changed::kInstructions;
    return changed;
  }

 private:
  bool visit(Inst i) {
    InstData& d = fn_.insts[i];
    bool compare = is_conditional(d.op);
    if (!is_binary(d.op) && !compare && d.op != Opcode::Store) return false;
    if (d.op == Opcode::Store) {
      if (!fn_.constant(fn_.operand(i, 1), Width::k32) || is_in_place(i, 1)) return false;
      if (!pointees_) pointees_ = find_pointees(fn_, analyses_.users());
      if ((*pointees_)[fn_.operand(i, 0)] & kContext) return false;
      return take(i, 1, d.size == MemSize::kU64 ? Width::k64 : Width::k32);
    }
    if (!compare && take_core(i)) return true;
    auto constant = fn_.constant(fn_.operand(i, 0), d.width);
    bool left = constant && fits(int64_t(*constant), d.width);
    bool right = fn_.constant(fn_.operand(i, 1), d.width).has_value();
    if (left && !right && (compare || info(d.op).effects & kCommutes)) {
      Value exchanged[] = {fn_.operand(i, 1), fn_.operand(i, 0)};
      fn_.set_operands(i, exchanged);
      if (compare) d.op = swapped(d.op);
      return take(i, 1, d.width) || true;
    }
    return take(i, 1, d.width);
  }

  bool is_in_place(Inst i, size_t n) const {
    const Value v = fn_.operand(i, n);
    return !fn_.home(v) && fn_.is(v, Opcode::Const) && fn_.insts[fn_.def(v)].next == i;
  }

  // A move and arithmetic have the same immediate, sign-extended; libbpf changes both, but not those of
  // jumps.
  bool take_core(Inst i) {
    const InstData& d = fn_.insts[i];
    if (d.op == Opcode::Shl || d.op == Opcode::LShr || d.op == Opcode::AShr) return false;
    if (d.op >= Opcode::UDiv && d.op <= Opcode::SMod) return false;
    for (size_t n = 0; n < ((info(d.op).effects & kCommutes) ? 2 : 1); ++n) {
      const Value v = fn_.operand(i, 1 - n);
      const Inst def = fn_.def(v);
      if (!def || fn_.insts[def].op != Opcode::Const || fn_.insts[def].core == kNoCore) continue;
      if (fn_.insts[def].form != Form::kNatural || !fn_.home(v) || analyses_.users().of(v).size() != 1)
        continue;
      const Value operands[] = {fn_.operand(i, n), v};
      fn_.set_operands(i, operands);
      fn_.move_before(def, i);
      fn_.values[v].home = {};
      return true;
    }
    return false;
  }

  // Gives operand `n` a constant of its own in place; false if it has one already or the form does not exist.
  bool take(Inst i, size_t n, Width width) {
    const InstData& d = fn_.insts[i];
    Value v = fn_.operand(i, n);
    auto c = fn_.constant(v, width);  // a 32-bit form sees the low half only
    if (!c || !fits(int64_t(*c), width)) return false;
    if (is_in_place(i, n)) return false;
    bool shift = d.op == Opcode::Shl || d.op == Opcode::LShr || d.op == Opcode::AShr;
    bool division = d.op >= Opcode::UDiv && d.op <= Opcode::SMod;
    if ((shift && *c >= uint64_t(d.width)) || (division && uint32_t(*c) == 0)) return false;
    std::vector<Value> operands(fn_.operands(i).begin(), fn_.operands(i).end());
    operands[n] = Builder::before(fn_, i).constant(int64_t(*c));
    fn_.set_operands(i, operands);
    return true;
  }

  Function& fn_;
  Analyses& analyses_;
  std::optional<SideTable<Value, uint8_t>> pointees_;  // made when the first store asks
};

}  // namespace

Result<Changed> immediates(Function& fn, PassContext& context) {
  return Immediates(fn, context.analyses).run();
}

}  // namespace epass
