// What holds for every function between passes:
//   1. the layout has an entry, and nothing jumps to it
//   2. each placed block is not empty; its last instruction, and only that one, ends a block
//   3. instructions know their block; lists are linked both ways
//   4. operands, edges and result are as the opcode table says
//   5. edges lead to placed blocks and carry one argument for each parameter
//   6. every value used is made by a placed instruction or is a parameter of a placed block
//   7. in reachable code the definition of a value dominates its use; an edge's arguments are used at its
//   source
//   8. slots and homes lie in the stack frame
//   9. accesses have a size that exists: signed for plain loads only, 4 or 8 bytes for atomics
// Not checked: what instructions mean for pointers; that calls of functions pass what these read.

#include "ir/verify.h"

#include <string>

#include "bpf/insn.h"
#include "ir/dominators.h"

namespace epass {
namespace {

class Verifier {
 public:
  Verifier(const Function& fn, Fault* fault) : fn_(fn), fault_(fault) {}

  Result<void> run() {
    if (!fn_.entry()) return fail("ir", "a function without blocks");
    if (auto ok = check_slots(); !ok) return ok;
    if (auto ok = check_blocks(); !ok) return ok;
    return check_dominance();
  }

 private:
  std::unexpected<Error> bad(Inst i, const std::string& why, Value value = {}) {
    const InstData& d = fn_.insts[i];
    if (fault_) *fault_ = {i, value, why};
    Error error{
        .message = "`" + std::string(info(d.op).mnemonic) + "` (i" + std::to_string(i.index) + "): " + why,
        .code = "ir"};
    error.where.function = fn_.name;
    if (d.origin != kNoOrigin) error.where.insn = d.origin;
    return fail(std::move(error));
  }

  Result<void> check_slots() {
    for (uint32_t s = 0; s < fn_.slots.size(); ++s) {
      const SlotData& slot = fn_.slots[Slot{s}];
      if (slot.size == 0 || slot.size > bpf::kStackSize || slot.place < -bpf::kStackSize || slot.place > 0 ||
          (slot.place && slot.place + int64_t(slot.size) > 0))
        return fail("ir", "the slot s" + std::to_string(s) + " does not lie in the stack frame");
    }
    return {};
  }

  static bool is_home(Home home) {
    if (home.is_reg()) return home.code <= bpf::kFrameRegister;
    return !home || (home.code >= -bpf::kStackSize && home.code % 8 == 0);
  }

  static bool size_exists(const InstData& d) {
    const bool is_signed = d.size >= MemSize::kS8;
    if (!(info(d.op).fields & kSize)) return true;
    if (d.op == Opcode::Load) return true;
    if (d.op >= Opcode::AtomicAdd && d.op <= Opcode::CmpXchg)
      return d.size == MemSize::kU32 || d.size == MemSize::kU64;
    if (d.op == Opcode::LdAbs || d.op == Opcode::LdInd) return d.size < MemSize::kU64;
    return !is_signed;
  }

  Result<void> check_blocks() {
    for (Block b : fn_.all_blocks()) {
      for (Value v : fn_.params(b))
        if (!is_home(fn_.home(v)))
          return fail("ir", "a parameter of b" + std::to_string(b.index) + " has no such home");
      if (!fn_.blocks[b].first) return fail("ir", "b" + std::to_string(b.index) + " is empty");
      Inst previous;
      for (Inst i : fn_.insts_of(b)) {
        if (fn_.insts[i].prev != previous) return bad(i, "is linked wrongly");
        previous = i;
        if (auto ok = check_inst(b, i); !ok) return ok;
      }
      if (fn_.terminator(b) != previous) return bad(previous, "is not known as the end of its block");
    }
    return {};
  }

  Result<void> check_inst(Block b, Inst i) {
    const InstData& d = fn_.insts[i];
    const OpcodeInfo& op = info(d.op);
    if (d.block != b) return bad(i, "does not know its block");
    if (ends_block(d.op) != (i == fn_.terminator(b)))
      return bad(i, "ends of blocks stand last, and only there");
    if (op.operands != kVariadic && d.operand_count != op.operands) return bad(i, "wrong number of operands");
    if (op.operands == kVariadic && d.operand_count > 6) return bad(i, "more than five arguments");
    if (op.edges != kVariadic && d.edge_count != op.edges) return bad(i, "wrong number of edges");
    if (d.op == Opcode::GotoX && d.edge_count == 0) return bad(i, "has no targets");
    if (!size_exists(d)) return bad(i, "no access has this size");
    if (d.result && !is_home(fn_.home(d.result))) return bad(i, "its result has no such home");
    if (bool(d.result) != op.has_result) return bad(i, "result does not match the opcode");
    if (d.result && fn_.values[d.result].inst != i)
      return bad(i, "its result belongs to another instruction");
    if (d.op == Opcode::SlotAddr && d.slot.index >= fn_.slots.size()) return bad(i, "no such slot");
    for (Value v : fn_.operands(i))
      if (auto ok = check_value(i, v); !ok) return ok;
    for (uint32_t n = 0; n < d.edge_count; ++n) {
      const EdgeData& e = fn_.edges[fn_.edge(i, n)];
      if (!fn_.blocks[e.to].placed) return bad(i, "jumps to a removed block");
      if (e.to == fn_.entry()) return bad(i, "jumps to the entry");
      if (e.args.size != fn_.blocks[e.to].params.size)
        return bad(i, "edge arguments do not match the parameters of b" + std::to_string(e.to.index));
      for (Value v : fn_.args(fn_.edge(i, n)))
        if (auto ok = check_value(i, v); !ok) return ok;
    }
    return {};
  }

  Result<void> check_value(Inst i, Value v) {
    if (v.index >= fn_.values.size()) return bad(i, "uses a value that does not exist");
    v = fn_.resolve(v);
    const ValueData& data = fn_.values[v];
    Block b = data.inst ? fn_.insts[data.inst].block : data.block;
    if (!b || !fn_.blocks[b].placed)
      return bad(i, "uses v" + std::to_string(v.index) + ", which was removed");
    return {};
  }

  Result<void> check_dominance() {
    Dominators dominators(fn_);
    SideTable<Inst, uint32_t> position(fn_.insts.size(), 0);
    for (Block b : fn_.all_blocks()) {
      uint32_t n = 0;
      for (Inst i : fn_.insts_of(b)) position.at(i) = n++;
    }
    for (Block b : fn_.all_blocks()) {
      if (!dominators.reachable(b)) continue;
      for (Inst i : fn_.insts_of(b)) {
        auto reaches = [&](Value v) {
          const ValueData& data = fn_.values[fn_.resolve(v)];
          if (!data.inst) return dominators.dominates(data.block, b);
          Block at = fn_.insts[data.inst].block;
          return at == b ? position[data.inst] < position[i] : dominators.dominates(at, b);
        };
        auto check = [&](Value v) -> Result<void> {
          if (reaches(v)) return {};
          return bad(i, "uses v" + std::to_string(fn_.resolve(v).index) + " where it may not be defined",
                     fn_.resolve(v));
        };
        for (Value v : fn_.operands(i))
          if (auto ok = check(v); !ok) return ok;
        for (uint32_t n = 0; n < fn_.insts[i].edge_count; ++n)
          for (Value v : fn_.args(fn_.edge(i, n)))
            if (auto ok = check(v); !ok) return ok;
      }
    }
    return {};
  }

  const Function& fn_;
  Fault* fault_;
};

}  // namespace

Result<void> verify(const Function& fn, Fault* fault) { return Verifier(fn, fault).run(); }

}  // namespace epass
