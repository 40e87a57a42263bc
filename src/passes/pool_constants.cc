// Keeps a constant in a register that several stores in a row write.
//
//     store.u64 v0+0, 0                v1 = const 0  :r4
//     store.u64 v0+8, 0        =>      store.u64 v0+0, v1
//                                      store.u64 v0+8, v1
//
// A record more, but machine code gets shorter: a store of an immediate carries up to four bytes of it. A
// zero takes two bytes to make, so it can pay for a single store; `only=zero` leaves other constants alone.
// The code generator's driver tries it. Not across calls, where the register would have to be saved.

#include <map>

#include "ir/builder.h"
#include "pass/pass.h"

namespace epass {
namespace {

class Pool {
 public:
  Pool(Function& fn, size_t least, bool only_zero) : fn_(fn), least_(least), only_zero_(only_zero) {}

  bool run() {
    for (Block b : fn_.all_blocks()) {
      for (Inst i : fn_.insts_of(b)) {
        const InstData& d = fn_.insts[i];
        if (clobbers_registers(d.op)) {
          flush();
          continue;
        }
        if (d.result && fn_.home(d.result).is_reg()) busy_ |= 1u << fn_.home(d.result).code;
        for (size_t n = 0; n < d.operand_count; ++n)
          if (const Home home = fn_.home(fn_.operand(i, n)); home.is_reg()) busy_ |= 1u << home.code;
        if (d.op != Opcode::Store || d.size == MemSize::kU8) continue;
        const Value v = fn_.operand(i, 1);
        if (fn_.home(v) || !fn_.is(v, Opcode::Const)) continue;
        const auto c = fn_.constant(v, Width::k64);
        if (c && int64_t(*c) == int32_t(*c) && (!only_zero_ || *c == 0)) stores_[*c].push_back(i);
      }
      flush();
    }
    return changed_;
  }

 private:
  void flush() {
    for (auto& [constant, stores] : stores_) {
      if (stores.size() < least_) continue;
      const Value c = Builder::before(fn_, stores.front()).constant(int64_t(constant));
      constexpr int kOrder[] = {0, 4, 3, 2, 1, 5};
      int reg = 0;
      for (int r : kOrder)
        if (!(busy_ >> r & 1)) {
          reg = r;
          break;
        }
      busy_ |= 1u << reg;
      fn_.values[c].home = Home::reg(reg);
      for (Inst i : stores) {
        const Value operands[] = {fn_.operand(i, 0), c};
        fn_.set_operands(i, operands);
      }
      changed_ = true;
    }
    stores_.clear();
    busy_ = 0;
  }

  Function& fn_;
  const size_t least_;
  const bool only_zero_;
  std::map<uint64_t, std::vector<Inst>> stores_;  // since the last call
  uint32_t busy_ = 0;
  bool changed_ = false;
};

}  // namespace

Result<Changed> pool_constants(Function& fn, PassContext& context) {
  const auto least = number_option(context, "pool-constants", "uses", 2);
  if (!least) return fail(least.error());
  const std::string only = context.option("only", "any");
  if (only != "any" && only != "zero")
    return fail("pass-option", "`only` of pool-constants is any or zero, not `" + only + "`");
  if (!Pool(fn, *least, only == "zero").run()) return Changed::kNothing;
  context.count("pool-constants.functions");
  return Changed::kInstructions;
}

}  // namespace epass
