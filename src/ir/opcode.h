#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace epass {

enum class Opcode : uint8_t {
#define OP(Name, ...) Name,
#include "ir/opcodes.def"
};

enum class Width : uint8_t { k32 = 32, k64 = 64 };

// Bytes moved by a memory access, and how the rest of the register is filled.
enum class MemSize : uint8_t { kU8, kU16, kU32, kU64, kS8, kS16, kS32 };
constexpr uint32_t bytes_of(MemSize size) {
  constexpr uint8_t kBytes[] = {1, 2, 4, 8, 1, 2, 4};
  return kBytes[static_cast<size_t>(size)];
}

constexpr uint8_t kVariadic = 255;

enum Fields : uint8_t {
  kNoFields = 0,
  kWidth = 1,
  kSize = 2,
  kOffset = 4,
  kImm = 8,
  kSymbol = 16,
  kSlot = 32
};
enum Effects : uint8_t {
  kPure = 0,
  kReads = 1,
  kWrites = 2,
  kCommutes = 4,
  kMayBeRefused = 8,
  kMayExit = 16,
  kEnds = 32,
  kKeep = 64,
};

struct OpcodeInfo {
  std::string_view mnemonic = {};
  uint8_t operands = 0;
  bool has_result = false;
  uint8_t edges = 0;
  uint8_t fields = 0;
  uint8_t effects = 0;
};

inline constexpr std::array kOpcodes{
#define OP(Name, mnemonic, operands, result, edges, fields, effects) \
  OpcodeInfo{mnemonic, operands, result, edges, uint8_t(fields), uint8_t(effects)},
#include "ir/opcodes.def"
};

constexpr const OpcodeInfo& info(Opcode op) { return kOpcodes[static_cast<size_t>(op)]; }
constexpr bool ends_block(Opcode op) { return info(op).effects & kEnds; }
constexpr bool is_conditional(Opcode op) { return op >= Opcode::JumpEq && op <= Opcode::JumpSet; }
constexpr bool is_call(Opcode op) { return op >= Opcode::CallHelper && op <= Opcode::CallX; }
constexpr bool is_binary(Opcode op) { return op >= Opcode::Add && op <= Opcode::AShr; }
constexpr bool is_unary(Opcode op) { return op >= Opcode::Neg && op <= Opcode::BSwap64; }
// Makes the same of the same operands, and nothing else matters.
constexpr bool is_arithmetic(Opcode op) { return is_binary(op) || is_unary(op); }
// Has no operands and makes the same wherever it stands: a number, a symbol's, an address of the frame.
constexpr bool is_constant(Opcode op) {
  return op == Opcode::Const || op == Opcode::Symbol || op == Opcode::SlotAddr;
}
// Loses r1-r5 and makes r0: calls and the legacy packet loads.
constexpr bool clobbers_registers(Opcode op) {
  return is_call(op) || op == Opcode::LdAbs || op == Opcode::LdInd;
}
// May be deleted when nothing uses its result. Plain loads count as deletable.
constexpr bool is_removable(Opcode op) {
  return info(op).has_result && !(info(op).effects & (kWrites | kMayExit | kEnds | kKeep));
}
// The same test with true and false exchanged (jset has none), and the same test with its operands exchanged.
std::optional<Opcode> negated(Opcode op);
Opcode swapped(Opcode op);
// The opcode with that mnemonic.
std::optional<Opcode> opcode_named(std::string_view mnemonic);

}  // namespace epass
