// Expresses newer instructions by older ones.
//
//   below v4   sext8 x            =>   ashr (shl x, 56), 56            load.s8 => load.u8 and the same
//              bswap16 x          =>   be16 x                          (little-endian machines)
//   below v3   add.32 x, y        =>   zext (add x, y)                 zext x => lshr (shl x, 32), 32
//              jlt.32 x, y        =>   jlt (zext x), (zext y)          signed: with ashr
//   below v2   jlt x, y           =>   jgt y, x
//
// What is left without an equivalent (signed division, acquire and release, fetching atomics) is an error.

#include "codegen/legalize.h"

#include "ir/builder.h"

namespace epass {
namespace {

class Legalizer {
 public:
  Legalizer(Function& fn, bpf::Isa isa) : fn_(fn), isa_(isa) {}

  Result<void> run() {
    for (Inst i : fn_.all_insts()) {
      if (isa_ < bpf::Isa::kV4)
        if (auto ok = below_v4(i); !ok) return ok;
      if (isa_ < bpf::Isa::kV3 && fn_.insts[i].block)
        if (auto ok = below_v3(i); !ok) return ok;
      if (isa_ < bpf::Isa::kV2) below_v2(i);
    }
    fn_.compact_aliases();
    return {};
  }

 private:
  Value shifts(Builder& b, Width w, Opcode right, Value v, int64_t by) {
    return b.binary(right, w, b.binary(Opcode::Shl, w, v, by), by);
  }
  Value zext(Builder& b, Value v) { return shifts(b, Width::k64, Opcode::LShr, v, 32); }

  void replace(Inst i, Value with) {
    fn_.values[with].home = fn_.home(fn_.insts[i].result);
    fn_.replace(fn_.insts[i].result, with);
    fn_.remove(i);
  }

  std::unexpected<Error> refuse(Inst i, const char* level) {
    Error error{.message = "`" + std::string(info(fn_.insts[i].op).mnemonic) + "` needs ISA " + level,
                .code = "isa"};
    error.where.insn = fn_.insts[i].origin == kNoOrigin ? -1 : int64_t(fn_.insts[i].origin);
    error.help = std::string("`--isa ") + level + "`, or `--isa auto`";
    return fail(std::move(error));
  }

  Result<void> below_v4(Inst i) {
    InstData d = fn_.insts[i];
    Builder b = Builder::before(fn_, i);
    auto extend = [&](Value v, int64_t bits) {
      return shifts(b, d.width, Opcode::AShr, v, int64_t(d.width) - bits);
    };
    switch (d.op) {
      case Opcode::SExt8: replace(i, extend(fn_.operand(i, 0), 8)); break;
      case Opcode::SExt16: replace(i, extend(fn_.operand(i, 0), 16)); break;
      case Opcode::SExt32: replace(i, extend(fn_.operand(i, 0), 32)); break;
      case Opcode::BSwap16: fn_.insts[i].op = Opcode::Be16; break;
      case Opcode::BSwap32: fn_.insts[i].op = Opcode::Be32; break;
      case Opcode::BSwap64: fn_.insts[i].op = Opcode::Be64; break;
      case Opcode::Load: {
        if (d.size < MemSize::kS8) break;
        InstData load = d;
        load.size = MemSize(int(d.size) - int(MemSize::kS8));
        load.result = {};
        replace(i, extend(b.value(load, {fn_.operand(i, 0)}), 8 * int64_t(bytes_of(d.size))));
        break;
      }
      case Opcode::SDiv:
      case Opcode::SMod:
      case Opcode::LoadAcquire:
      case Opcode::StoreRelease: return refuse(i, "v4");
      default: break;
    }
    return {};
  }

  Result<void> below_v3(Inst i) {
    InstData d = fn_.insts[i];
    Builder b = Builder::before(fn_, i);
    if (d.op == Opcode::ZExt32) {
      replace(i, zext(b, fn_.operand(i, 0)));
    } else if (is_binary(d.op) && d.width == Width::k32) {
      replace(i, wide_binary(b, d.op, fn_.operand(i, 0), fn_.operand(i, 1)));
    } else if ((d.op == Opcode::Neg || d.op == Opcode::SExt8 || d.op == Opcode::SExt16) &&
               d.width == Width::k32) {
      replace(i, zext(b, b.unary(d.op, Width::k64, fn_.operand(i, 0))));
    } else if (is_conditional(d.op) && d.width == Width::k32) {
      bool is_signed = d.op >= Opcode::JumpSgt && d.op <= Opcode::JumpSle;
      Value operands[2];
      for (size_t n = 0; n < 2; ++n) {
        Value v = fn_.operand(i, n);
        auto c = fn_.constant(v, Width::k32);
        if (c)
          operands[n] = b.constant(is_signed ? int64_t(int32_t(*c)) : int64_t(*c));
        else
          operands[n] = shifts(b, Width::k64, is_signed ? Opcode::AShr : Opcode::LShr, v, 32);
      }
      fn_.set_operands(i, operands);
      fn_.insts[i].width = Width::k64;
    } else if (d.op >= Opcode::AtomicAnd && d.op <= Opcode::CmpXchg) {
      return refuse(i, "v3");
    }
    return {};
  }

  // A 32-bit operation by a 64-bit one: right shifts and divisions see extended operands, every result is
  // cut.
  Value wide_binary(Builder& b, Opcode op, Value x, Value y) {
    bool shift = op == Opcode::Shl || op == Opcode::LShr || op == Opcode::AShr;
    bool high_bits_matter = op == Opcode::LShr || op == Opcode::UDiv || op == Opcode::UMod;
    if (op == Opcode::AShr) x = shifts(b, Width::k64, Opcode::AShr, x, 32);
    if (high_bits_matter) x = zext(b, x);
    if (auto c = fn_.constant(y, Width::k32)) {
      y = b.constant(shift ? int64_t(*c & 31) : high_bits_matter ? int64_t(*c) : int64_t(int32_t(*c)));
    } else if (shift) {
      y = b.binary(Opcode::And, Width::k64, y, 31);
    } else if (high_bits_matter) {
      y = zext(b, y);
    }
    return zext(b, b.binary(op, Width::k64, x, y));
  }

  void below_v2(Inst i) {
    InstData& d = fn_.insts[i];
    if (!d.block || !(d.op == Opcode::JumpLt || d.op == Opcode::JumpLe || d.op == Opcode::JumpSlt ||
                      d.op == Opcode::JumpSle))
      return;
    Value operands[2] = {fn_.operand(i, 1), fn_.operand(i, 0)};
    fn_.set_operands(i, operands);
    d.op = swapped(d.op);
  }

  Function& fn_;
  bpf::Isa isa_;
};

}  // namespace

static bool is_legal(const InstData& d, bpf::Isa isa) {
  switch (d.op) {
    case Opcode::SExt8:
    case Opcode::SExt16:
    case Opcode::SExt32:
    case Opcode::BSwap16:
    case Opcode::BSwap32:
    case Opcode::BSwap64:
    case Opcode::SDiv:
    case Opcode::SMod:
    case Opcode::LoadAcquire:
    case Opcode::StoreRelease: return isa >= bpf::Isa::kV4;
    case Opcode::Load: return d.size < MemSize::kS8 || isa >= bpf::Isa::kV4;
    case Opcode::ZExt32: return isa >= bpf::Isa::kV3;
    case Opcode::JumpLt:
    case Opcode::JumpLe:
    case Opcode::JumpSlt:
    case Opcode::JumpSle:
      if (isa < bpf::Isa::kV2) return false;
      break;
    default: break;
  }
  return isa >= bpf::Isa::kV3 ||
         (d.width == Width::k64 && !(d.op >= Opcode::AtomicAnd && d.op <= Opcode::CmpXchg));
}

bool is_legal(const Function& fn, bpf::Isa isa) {
  for (Block b : fn.all_blocks())
    for (Inst i : fn.insts_of(b))
      if (!is_legal(fn.insts[i], isa)) return false;
  return true;
}

Result<void> legalize(Function& fn, bpf::Isa isa) { return Legalizer(fn, isa).run(); }

}  // namespace epass
