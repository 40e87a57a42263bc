// Calls, and the addresses of what lies outside of the instructions: maps, data, functions.

#include <algorithm>

#include "base/format.h"
#include "vm/interpreter.h"

namespace epass::vm {

using namespace bpf;  // opcodes

bool Interpreter::load_address(Frame& frame, const bpf::Function& fn, Insn insn, uint32_t pc) {
  uint64_t imm = imm64(insn, fn.insns[pc + 1]);
  auto a = std::ranges::lower_bound(fn.attachments, pc, {}, &Attachment::insn);
  if (a != fn.attachments.end() && a->insn == pc) {
    const Symbol& s = program_.symbols[a->symbol];
    switch (s.kind) {
      case Symbol::Kind::kMap: define(frame, insn.dst(), map_handle(s.name)); return true;
      case Symbol::Kind::kFunc:
        define(frame, insn.dst(), kFunctionBase + (uint64_t(s.function.index) << 32));
        return true;
      case Symbol::Kind::kJumpTable: return fail("jump tables are not run");
      case Symbol::Kind::kData: {
        auto [it, is_new] = data_.try_emplace(s.name, kDataBase + (uint64_t(numbers_[s.name]) << 33));
        if (is_new) {
          std::vector<uint8_t> bytes(65536);
          if (auto known = options_.sections.find(s.name); known != options_.sections.end())
            bytes = known->second;
          initial_[s.name] = hash_of(bytes);
          memory_.add(s.name, it->second, std::move(bytes));
        }
        define(frame, insn.dst(), it->second + (insn.src() == kMapValue ? imm >> 32 : imm));
        return true;
      }
      default: {
        uint64_t hash = 14695981039346656037ull;
        for (char c : s.name) hash = mix(hash, uint8_t(c));
        define(frame, insn.dst(), (hash >> 16) + imm);
        return true;
      }
    }
  }
  define(frame, insn.dst(), imm);
  return true;
}

bool Interpreter::call(Frame& frame, const bpf::Function& fn, Insn insn, uint32_t pc) {
  const Symbol* symbol = nullptr;
  auto it = std::ranges::lower_bound(fn.attachments, pc, {}, &Attachment::insn);
  if (it != fn.attachments.end() && it->insn == pc) symbol = &program_.symbols[it->symbol];
  const bool through_register = insn.code == kCodeCallx;
  const uint64_t callee = through_register ? read_register(frame, insn.dst()) : 0;
  if (ended_) return false;
  uint32_t function = symbol && symbol->kind == Symbol::Kind::kFunc ? symbol->function.index : UINT32_MAX;
  // The address of a function, or the number of a helper, as in uBPF.
  if (through_register && callee >= kFunctionBase) {
    if ((callee - kFunctionBase) % (uint64_t{1} << 32) == 0)
      function = uint32_t((callee - kFunctionBase) >> 32);
    if (function >= program_.functions.size())
      return fail(format("calls {:#x}, which is no function", callee));
  }
  if (function != UINT32_MAX) {
    std::array<uint64_t, 5> args = {};
    for (size_t k = 0; k < 5; ++k) args[k] = frame.regs[k + 1];
    uint64_t r0 = 0;
    bool defined = false;
    if (!call_function(function, args, uint16_t(frame.defined >> 1 & 0x1f), r0, defined)) return false;
    frame.defined &= uint16_t(~0x3f);
    if (defined) define(frame, 0, r0);
    return true;
  }
  if (through_register) {
    if (callee > INT32_MAX) return fail(format("calls {:#x}, which is no function", callee));
    helper(frame, int32_t(callee));
    return !ended_;
  }
  if (symbol)
    stub(frame, symbol->name, std::string(symbol->signature ? symbol->signature->args : 0, 's'),
         !symbol->signature);
  else
    helper(frame, insn.imm);
  return !ended_;
}

}  // namespace epass::vm
