#pragma once
// The assembler: text to instruction records, in the syntax of LLVM and the kernel (`r0 = *(u32 *)(r1 + 4)`)
// or in that of uBPF and rbpf (`ldxw r0, [r1+4]`). The dialect is told from the text. It reads back what the
// disassemblers print: listings of llvm-objdump and of `epass dis`, and the kernel's `0: (bf) r6 = r1`.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bpf/insn.h"

namespace epass::bpf {

enum class Dialect : uint8_t { kLlvm, kUbpf };

// The outcome: sections of bytes, and what refers to symbols that the assembler cannot resolve.
struct Assembly {
  struct Section {
    std::string name = {};
    std::vector<uint8_t> bytes = {};
    uint64_t zeros = 0;  // bytes that follow and take no room in the file (.bss)
    uint32_t align = 1;
    bool is_code = false, writable = false, allocated = true, is_zero = false;
    bool strings = false;              // mergeable strings, as `.debug_str`
    std::vector<uint32_t> lines = {};  // is_code: of each record, the line of the text
  };
  struct Symbol {
    std::string name = {};
    int32_t section = -1;  // -1: defined elsewhere
    uint64_t offset = 0, size = 0;
    bool is_global = false, is_weak = false, is_function = false, is_object = false, is_hidden = false;
  };
  // A place that a loader fills in.
  struct Reference {
    enum class Kind : uint8_t { kCall, kLoad, kData64, kData32 };
    Kind kind = Kind::kCall;
    uint32_t section = 0;
    uint64_t offset = 0;  // in bytes
    uint32_t symbol = 0;
    int64_t line = -1, column = -1;  // of the text
  };
  Dialect dialect = Dialect::kLlvm;
  std::vector<Section> sections = {};
  std::vector<Symbol> symbols = {};  // sorted by section and offset, undefined ones last
  std::vector<Reference> references = {};
};

// Errors carry line and column: asm-syntax, asm-range (a number that does not fit), asm-name (a label that
// does not exist, or twice).
Result<Assembly> assemble(std::string_view text, std::optional<Dialect> dialect = {});

// The records of an assembly that has one code section and refers to nothing outside of it.
Result<std::vector<Insn>> flat_code(const Assembly& assembly);

// Which dialect a text is written in. Texts that fit both count as LLVM's.
Dialect detect_dialect(std::string_view text);

}  // namespace epass::bpf
