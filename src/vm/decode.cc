// Decodes programs into operations.

#include <algorithm>
#include <map>

#include "base/format.h"
#include "vm/executable.h"

namespace epass::vm {

using namespace bpf;

namespace {

constexpr const char* kNames[] = {
#define EPASS_VM_OP(name) #name,
#include "vm/opcodes.def"
};

OpCode at(OpCode first, unsigned n) { return OpCode(unsigned(first) + n); }

// The operation of an ALU code whose forms are 64K, 64X, 32K, 32X; kFault if there is none.
OpCode alu_family(uint8_t op, bool is_signed) {
  switch (op) {
    case kAdd: return OpCode::kAdd64K;
    case kSub: return OpCode::kSub64K;
    case kMul: return OpCode::kMul64K;
    case kDiv: return is_signed ? OpCode::kSdiv64K : OpCode::kDiv64K;
    case kMod: return is_signed ? OpCode::kSmod64K : OpCode::kMod64K;
    case kOr: return OpCode::kOr64K;
    case kAnd: return OpCode::kAnd64K;
    case kXor: return OpCode::kXor64K;
    case kLsh: return OpCode::kLsh64K;
    case kRsh: return OpCode::kRsh64K;
    case kArsh: return OpCode::kArsh64K;
    case kMov: return OpCode::kMov64K;
    default: return OpCode::kFault;
  }
}

OpCode jump_family(uint8_t op) {
  switch (op) {
    case kJeq: return OpCode::kJeq64K;
    case kJne: return OpCode::kJne64K;
    case kJgt: return OpCode::kJgt64K;
    case kJge: return OpCode::kJge64K;
    case kJlt: return OpCode::kJlt64K;
    case kJle: return OpCode::kJle64K;
    case kJset: return OpCode::kJset64K;
    case kJsgt: return OpCode::kJsgt64K;
    case kJsge: return OpCode::kJsge64K;
    case kJslt: return OpCode::kJslt64K;
    case kJsle: return OpCode::kJsle64K;
    default: return OpCode::kFault;
  }
}

bool ends_run(OpCode code) { return code >= OpCode::kJeq64K; }

// "" or why it cannot be decoded.
std::string decode_alu(Insn insn, Op& op) {
  const uint8_t kind = insn.code & 0xf0;
  const bool wide = insn.cls() == kAlu64, has_register = insn.code & kX;
  if (kind == kEnd) {
    if (insn.imm != 16 && insn.imm != 32 && insn.imm != 64) return "swap of an unknown width";
    const unsigned n = insn.imm == 16 ? 0 : insn.imm == 32 ? 1 : 2;
    op.code = at(wide || has_register ? OpCode::kSwap16 : OpCode::kZext16, n);
    return "";
  }
  if (kind == kNeg) {
    op.code = wide ? OpCode::kNeg64 : OpCode::kNeg32;
    return "";
  }
  if (kind == kMov && has_register && insn.off > 1) {
    if (insn.off != 8 && insn.off != 16 && insn.off != 32) return "move that extends an unknown width";
    const unsigned n = insn.off == 8 ? 0 : insn.off == 16 ? 1 : 2;
    op.code = wide ? at(OpCode::kSext64From8, n) : n == 2 ? OpCode::kMov32X : at(OpCode::kSext32From8, n);
    return "";
  }
  const OpCode family = alu_family(kind, insn.off == 1);
  if (family == OpCode::kFault) return "unknown arithmetic";
  op.code = at(family, (wide ? 0u : 2u) + has_register);
  op.imm = wide ? uint64_t(int64_t(insn.imm)) : uint32_t(insn.imm);
  return "";
}

std::string decode_memory(Insn insn, Op& op) {
  const uint32_t size = access_bytes(insn.code);
  const unsigned n = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3;
  const uint8_t mode = insn.code & 0xe0;
  op.off = insn.off;
  if (insn.cls() == kStx && mode == kAtomic) {
    if (insn.imm == kLoadAcq) return op.code = at(OpCode::kLoad1, n), "";
    if (insn.imm == kStoreRel) return op.code = at(OpCode::kStoreX1, n), "";
    switch (insn.imm) {
      case kAdd:
      case kOr:
      case kAnd:
      case kXor:
      case int(kAdd) | int(kFetch):
      case int(kOr) | int(kFetch):
      case int(kAnd) | int(kFetch):
      case int(kXor) | int(kFetch):
      case kXchg:
      case kCmpxchg: break;
      default: return "unknown atomic operation";
    }
    op.code = OpCode::kAtomic, op.target = size, op.imm = uint64_t(insn.imm);
    return "";
  }
  if (mode != kMem && !(mode == kMemsx && insn.cls() == kLdx)) return "unknown mode of a memory access";
  if (insn.cls() == kLdx) op.code = at(mode == kMemsx && size < 8 ? OpCode::kLoadSigned1 : OpCode::kLoad1, n);
  if (insn.cls() == kStx) op.code = at(OpCode::kStoreX1, n);
  if (insn.cls() == kSt) op.code = at(OpCode::kStoreK1, n), op.imm = uint64_t(int64_t(insn.imm));
  return "";
}

}  // namespace

const char* name_of(OpCode code) { return kNames[size_t(code)]; }

Executable::Executable(const bpf::Program& program) : program_(&program) {
  std::map<std::string_view, uint32_t> numbers;
  size_t records = 0;
  for (uint32_t n = 0; n < program.symbols.size(); ++n)
    numbers_.push_back(numbers.try_emplace(program.symbols[SymbolId{n}].name, n).first->second);
  tables_.resize(program.symbols.size());
  functions_.resize(program.functions.size());
  for (uint32_t n = 0; n < functions_.size(); ++n) {
    const bpf::Function& fn = program.functions[FunctionId{n}];
    functions_[n] = {uint32_t(records), uint32_t(fn.insns.size()), fn.section_insn, {}};
    records += fn.insns.size() + 1;
  }
  ops_.resize(records);
  for (uint32_t n = 0; n < functions_.size(); ++n) {
    find_tables(n);
    decode(n);
  }
}

void Executable::find_tables(uint32_t function) {
  const bpf::Function& fn = program_->functions[FunctionId{function}];
  for (const Attachment& a : fn.attachments) {
    const Symbol& symbol = program_->symbols[a.symbol];
    Table& table = tables_[a.symbol.index];
    if (symbol.kind != Symbol::Kind::kJumpTable || table.function != UINT32_MAX) continue;
    std::vector<uint32_t>& all = functions_[function].table_targets;
    table = {function, uint32_t(all.size()), uint32_t(symbol.targets.size())};
    for (uint32_t target : symbol.targets) all.push_back(target < fn.insns.size() ? target : UINT32_MAX);
  }
}

Op Executable::fault(std::string message) {
  auto it = std::ranges::find(messages_, message);
  Op op;
  op.imm = uint64_t(it - messages_.begin());
  if (it == messages_.end()) messages_.push_back(std::move(message));
  return op;
}

void Executable::decode(uint32_t function) {
  const bpf::Function& fn = program_->functions[FunctionId{function}];
  const uint32_t begin = functions_[function].begin, size = functions_[function].size;
  auto attachment = fn.attachments.begin();
  for (uint32_t i = 0; i < size; ++i) {
    const Insn insn = fn.insns[i];
    const uint8_t cls = insn.cls(), kind = insn.code & 0xf0;
    while (attachment != fn.attachments.end() && attachment->insn < i) ++attachment;
    const bool attached = attachment != fn.attachments.end() && attachment->insn == i;
    Op op;
    op.dst = insn.dst(), op.src = insn.src();
    std::string why;
    const bool writes = is_alu(insn.code) || cls == kLdx || is_ld_imm64(insn);
    const bool reads_source =
        (is_alu(insn.code) && insn.code & kX && kind != kEnd && kind != kNeg) || cls == kLdx || cls == kStx ||
        (is_jmp(insn.code) && insn.code & kX && insn.code != kCodeCallx && insn.code != kCodeGotox) ||
        (cls == kLd && (insn.code & 0xe0) == kInd);
    // A field that nobody reads may hold anything; no register file has a place for it.
    if (!reads_source && op.src > kFrameRegister) op.src = 0;
    if (op.dst > kFrameRegister || (writes && op.dst == kFrameRegister)) {
      why = "writes a register that it may not";
    } else if (reads_source && op.src > kFrameRegister) {
      why = "register above r10";
    } else if (is_ld_imm64(insn)) {
      if (i + 1 >= size) {
        why = "ld_imm64 without its second half";
      } else {
        op.imm = imm64(insn, fn.insns[i + 1]);
        op.code = attached ? OpCode::kLoadAddress : OpCode::kLoadImm;
        if (attached) op.target = attachment->symbol.index;
        ops_[begin + i + 1] = fault("jump into the middle of ld_imm64");
      }
    } else if (cls == kLd) {
      const uint8_t mode = insn.code & 0xe0;
      if ((mode != kAbs && mode != kInd) || access_bytes(insn.code) == 8) why = "unknown load";
      op.code = mode == kAbs ? OpCode::kPacketAbs : OpCode::kPacketInd;
      op.target = access_bytes(insn.code), op.imm = uint64_t(int64_t(insn.imm));
    } else if (is_alu(insn.code)) {
      why = decode_alu(insn, op);
    } else if (!is_jmp(insn.code)) {
      why = decode_memory(insn, op);
      if (insn.cls() == kStx && op.code == OpCode::kAtomic && insn.imm & kFetch && op.src == kFrameRegister &&
          insn.imm != kCmpxchg)
        why = "writes a register that it may not";
      if (op.code >= OpCode::kLoad1 && op.code <= OpCode::kLoadSigned4 && op.dst == kFrameRegister)
        why = "writes a register that it may not";
    } else if (insn.code == kCodeExit) {
      op.code = OpCode::kExit;
    } else if (insn.code == kCodeCall || insn.code == kCodeCallx) {
      const Symbol* symbol = attached ? &program_->symbols[attachment->symbol] : nullptr;
      op.imm = uint64_t(int64_t(insn.imm));
      if (symbol && symbol->kind == Symbol::Kind::kFunc && symbol->function)
        op.code = OpCode::kCallFunction, op.target = symbol->function.index;
      else if (insn.code == kCodeCallx)
        op.code = OpCode::kCallRegister;
      else if (symbol)
        op.code = OpCode::kCallSymbol, op.target = attachment->symbol.index;
      else
        op.code = OpCode::kCallHelper;
    } else if (insn.code == kCodeGotox) {
      op.code = OpCode::kGotox;
    } else {
      const int64_t target = jump_target(insn, i);
      op.target = begin + uint32_t(target < 0 || target > size ? size : target);
      const OpCode family = jump_family(kind);
      if (insn.code == kCodeMayGoto)
        op.code = OpCode::kMayGoto;
      else if (is_unconditional_jump(insn.code))
        op.code = OpCode::kJa;
      else if (family == OpCode::kFault)
        why = "unknown jump";
      else
        op.code = at(family, (cls == kJmp ? 0u : 2u) + bool(insn.code & kX));
      op.imm = cls == kJmp ? uint64_t(int64_t(insn.imm)) : uint32_t(insn.imm);
    }
    ops_[begin + i] = why.empty() ? op : fault(why);
    if (is_ld_imm64(insn) && why.empty()) ++i;
  }
  ops_[begin + size].code = OpCode::kLeaves;
  for (uint32_t i = size; i-- > 0;) {
    Op& op = ops_[begin + i];
    const bool wide = op.code == OpCode::kLoadImm || op.code == OpCode::kLoadAddress;
    op.run = ends_run(op.code) || op.code == OpCode::kFault ? 1 : 1 + ops_[begin + i + (wide ? 2 : 1)].run;
  }
}

uint32_t Executable::function_of(uint32_t op) const {
  auto after = std::ranges::upper_bound(functions_, op, {}, &Function::begin);
  return uint32_t(after - functions_.begin()) - 1;
}

uint32_t Executable::code_target(uint32_t function, uint64_t address) const {
  const Function& fn = functions_[function];
  const uint64_t offset = address - function_address(function);
  // A function without tables may compute addresses from its own.
  if (offset < fn.size && fn.table_targets.empty()) return fn.begin + uint32_t(offset);
  const uint64_t entry = offset - kTableEntry;
  if (offset < kTableEntry || entry >= fn.table_targets.size() || fn.table_targets[entry] == UINT32_MAX)
    return UINT32_MAX;
  return fn.begin + fn.table_targets[entry];
}

}  // namespace epass::vm
