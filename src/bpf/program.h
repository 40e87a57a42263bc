#pragma once
// A module of BPF code as the compiler sees it: functions, and the symbol attached to each instruction.
// object/ and the readers of dumps fill it, lift/ reads it, codegen/ produces new code for single functions.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/table.h"
#include "bpf/insn.h"

namespace epass::bpf {

using FunctionId = Id<struct FunctionTag>;
using SymbolId = Id<struct SymbolTag>;

// Parameters and result of a function as far as BTF or a contract tells.
struct Signature {
  uint8_t args = 0;  // registers r1.. that are passed
  bool returns_void = false;
};

// What an instruction can refer to. The instruction keeps its own immediate (an addend, an fd, an offset):
// two references are equal if symbol and immediate are equal.
struct Symbol {
  enum class Kind : uint8_t {
    kMap,    // a map: ld_imm64
    kData,   // global data in a section or map: ld_imm64
    kFunc,   // a function of this program: call, or ld_imm64 of its address (callbacks)
    kKfunc,  // a kernel function: call
    kKsym,   // an extern: kernel variable, typeless ksym, .kconfig value, or the address of a kfunc: ld_imm64
    kJumpTable,  // a table of code addresses for gotox: ld_imm64
    kOther,      // anything else: kept with its instruction, never interpreted
  };
  Kind kind = Kind::kOther;
  std::string name = {};                    // for messages and text; unique in its program
  FunctionId function = {};                 // kFunc: the function, if it lies in this program
  std::optional<Signature> signature = {};  // kKfunc and external kFunc
  uint32_t map_type = 0;                    // kMap: enum bpf_map_type as the object defines it, 0 unknown
  bool weak = false;                        // may resolve to nothing: code guarded by it must not be hoisted
  uint32_t external = UINT32_MAX;      // the object's own number for it (ELF symbol index); nothing for dumps
  std::vector<uint32_t> targets = {};  // kJumpTable: instruction indices in the function that owns the table
  std::span<const uint8_t> frozen = {};  // kData: what lies there, if somebody promised that it never changes
};

// A reference from instruction `insn` of a function to a symbol.
struct Attachment {
  uint32_t insn = 0;
  SymbolId symbol = {};
};

// A CO-RE record (struct bpf_core_relo) on instruction `insn`. `id` is the object's own number for it.
struct CoreRecord {
  uint32_t insn = 0;
  uint32_t id = 0;
};

// One function: an entry program, a subprogram or a callback. Indices count 8-byte records from its start.
struct Function {
  std::string name = {};
  std::string section = {};   // "" for dumps
  uint32_t section_insn = 0;  // where it starts in its section (or dump)
  bool is_entry = false;      // a program that the kernel starts; its context is in r1
  bool is_global = false;     // verified on its own: arguments as in its signature, result in r0
  bool is_callback = false;   // its address is taken
  std::string type = {};      // program type as libbpf names it ("xdp"), "" unknown
  std::optional<Signature> signature = {};
  std::vector<Insn> insns = {};
  std::vector<Attachment> attachments = {};  // sorted by insn, at most one each
  std::vector<CoreRecord> core = {};         // sorted by insn, at most one each
  // Why it must stay as it is ("" if it may change): e.g. an undecodable jump table.
  std::string keep_reason = {};
};

struct Program {
  std::string name = {};  // file name, for messages
  Table<FunctionId, Function> functions = {};
  Table<SymbolId, Symbol> symbols = {};
};

// Instructions of other functions in a function's code: origins from `begin` on are records of `function`,
// counted from its start.
struct Inlined {
  FunctionId function = {};
  uint32_t begin = 0;   // not below the number of the own records
  uint32_t size = 0;    // records
  uint32_t copies = 1;  // how often its code was copied
};

// What an origin means: a record of the input.
struct OriginPlace {
  FunctionId function = {};
  uint32_t insn = 0;
};
// `inlined` is sorted by `begin`.
inline OriginPlace place_of_origin(FunctionId own, std::span<const Inlined> inlined, uint32_t origin) {
  OriginPlace place{own, origin};
  for (const Inlined& from : inlined)
    if (origin != UINT32_MAX && origin >= from.begin) place = {from.function, origin - from.begin};
  return place;
}

// New code for one function, as codegen/ makes it and object/ writes it.
struct NewCode {
  std::vector<Insn> insns = {};
  std::vector<Attachment> attachments = {};
  std::vector<CoreRecord> core = {};
  // For each record of `insns`: the record of the input function it comes from. Second halves of ld_imm64
  // point to the input's second half where there is one, else to its first.
  std::vector<uint32_t> origin = {};
  std::vector<Inlined> inlined = {};  // what origins beyond the function's own records mean
  // New instruction index of every jump table target: (old index, new index), sorted. Empty without tables.
  std::vector<std::pair<uint32_t, uint32_t>> table_targets = {};
  uint32_t stack_bytes = 0;  // deepest stack offset used
};

}  // namespace epass::bpf
