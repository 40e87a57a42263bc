#pragma once
// A program decoded once for both engines: operands resolved, jump targets as indices, one operation for each
// record. It is immutable and may be shared by any number of machines.

#include <string>
#include <vector>

#include "bpf/program.h"
#include "vm/places.h"

namespace epass::vm {

enum class OpCode : uint16_t {
#define EPASS_VM_OP(name) k##name,
#include "vm/opcodes.def"
};
const char* name_of(OpCode code);

struct Op {
  OpCode code = OpCode::kFault;
  uint8_t dst = 0, src = 0;
  int32_t off = 0;
  uint32_t target = 0;  // operation of the same executable; a function, a symbol or a size: see opcodes.def
  // Instructions from here up to and with the next one that may leave the straight line (jump, call, exit):
  // what the meter charges when control arrives here.
  uint32_t run = 0;
  uint64_t imm = 0;
};

// Entries of jump tables: bit 31 and their number among all of the function's. Rewritten code moves, these
// numbers stay.
constexpr uint64_t kTableEntry = uint64_t{1} << 31;
// Functions are no memory, and lie 4 GiB apart while there is room.
constexpr uint32_t kFunctionsBelow = 2048;
constexpr uint64_t function_address(uint32_t function) {
  return function < kFunctionsBelow ? kFunctionBase + (uint64_t{function} << 32)
                                    : region_address(kFunctionBase, function);
}
constexpr uint64_t function_number(uint64_t address) {
  return address >> 48 ? region_number(kFunctionBase, address) : (address - kFunctionBase) >> 32;
}

class Executable {
 public:
  struct Function {
    uint32_t begin = 0, size = 0;  // operations; one more behind them, kLeaves
    uint32_t section_insn = 0;
    std::vector<uint32_t> table_targets = {};  // of all its jump tables: records, UINT32_MAX none
  };
  struct Table {
    uint32_t function = UINT32_MAX, first = 0, size = 0;  // into table_targets
  };

  // The program must outlive the executable. Malformed instructions become operations that stop the program
  // when it gets there; they are no errors here.
  explicit Executable(const bpf::Program& program);

  const bpf::Program& program() const { return *program_; }
  const std::vector<Op>& ops() const { return ops_; }
  const std::vector<Function>& functions() const { return functions_; }
  const Function& function(uint32_t n) const { return functions_[n]; }
  uint32_t function_of(uint32_t op) const;
  const bpf::Symbol& symbol(uint32_t n) const { return program_->symbols[bpf::SymbolId{n}]; }
  // Symbols of one name share a number: two versions of a program give a map the same one if they list their
  // symbols alike.
  uint32_t number(uint32_t symbol) const { return numbers_[symbol]; }
  const Table& table(uint32_t symbol) const { return tables_[symbol]; }
  const char* message(const Op& op) const { return messages_[op.imm].c_str(); }
  // The operation at a code address of that function, UINT32_MAX if it is none.
  uint32_t code_target(uint32_t function, uint64_t address) const;

 private:
  void decode(uint32_t function);
  void find_tables(uint32_t function);
  Op fault(std::string message);

  const bpf::Program* program_;
  std::vector<Op> ops_;
  std::vector<Function> functions_;
  std::vector<uint32_t> numbers_;
  std::vector<Table> tables_;
  std::vector<std::string> messages_;
};

}  // namespace epass::vm
