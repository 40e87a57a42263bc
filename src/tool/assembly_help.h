#pragma once
// Options and help screens of the commands around assembly text, and of `epass check`.

#include "tool/options.h"

namespace epass::tool {

inline constexpr Option kAsm[] = {
    {.name = "o", .letter = 'o', .value = Option::Value::kRequired, .takes = "FILE"},
    {.name = "emit", .value = Option::Value::kRequired, .takes = "raw dump elf"},
    {.name = "dialect", .value = Option::Value::kRequired, .takes = "llvm ubpf"},
};
inline constexpr std::string_view kAsmHelp =
    R"(epass asm: assembly text to bytecode
usage: epass asm IN.s [-o OUT] [OPTIONS]
  epass asm filter.s -o filter --emit raw    bare records
  epass asm prog.s -o prog.o                 an object, if the text has sections or symbols
  epass dis prog.o | epass asm - -o same     listings are read back

-o FILE            output (default: standard output)
--emit FORMAT      raw dump elf (default: elf if the text has symbols or sections, else raw)
--dialect NAME     llvm `r0 = *(u32 *)(r1 + 4)` or ubpf `ldxw r0, [r1+4]` (default: by content)
everywhere  -h --help  -q --quiet  -v --verbose  --color WHEN  --diagnostics json  --no-warn CODE
Conformance cases (`-- asm`) are read, too. exit 0, 1 wrong input, 2 usage.  More: docs/assembler.md
)";

inline constexpr Option kDis[] = {
    {.name = "o", .letter = 'o', .value = Option::Value::kRequired, .takes = "FILE"},
    {.name = "input", .value = Option::Value::kRequired, .takes = "elf raw dump"},
    {.name = "no-show-raw-insn"},
};
inline constexpr std::string_view kDisHelp =
    R"(epass dis: bytecode to the text that llvm-objdump -d prints
usage: epass dis IN [-o OUT] [OPTIONS]
  epass dis prog.o                           every code section
  epass dis code.txt --no-show-raw-insn      text alone
  epass dis prog.o -o prog.s; epass asm prog.s -o code

-o FILE             output (default: standard output)
--input FORMAT      elf raw dump (default: by content)
--no-show-raw-insn  no bytes: calls of functions and of helpers then look the same
everywhere  -h --help  -q --quiet  -v --verbose  --color WHEN  --diagnostics json  --no-warn CODE
`epass print` shows names, source lines and blocks instead. exit 0, 1 wrong input, 2 usage.
)";

inline constexpr Option kCheck[] = {
    {.name = "prog", .value = Option::Value::kRequired, .repeatable = true},
    {.name = "input", .value = Option::Value::kRequired, .takes = "elf raw dump"},
    {.name = "json", .value = Option::Value::kAttached, .takes = "FILE"},
};
inline constexpr std::string_view kCheckHelp =
    R"(epass check: faults that every kernel would refuse, found without a kernel
usage: epass check IN... [OPTIONS]
  epass check prog.o                         each fault with its instruction and source line
  epass check prog.o --prog 'tcp_*' --json   for scripts

--prog NAME        only this program and what it calls; repeat, globs allowed
--input FORMAT     elf raw dump (default: by content)
--json[=FILE]      one JSON object per function (epass help json)
everywhere  -h --help  -q --quiet  -v --verbose  --color WHEN  --diagnostics json  --no-warn CODE
A fault that some path goes around is a warning: the kernel may find that its path is never taken.
Looked at: instructions and their reserved fields, jumps, calls, unreachable code, registers that no
path writes, constant accesses outside the stack, constant divisors and shifts. Whether memory
accesses are safe is for `epass verify` to ask. exit 0 no faults, 1 faults, 2 usage.
)";

inline constexpr std::string_view kPluginHelp =
    R"(epass conformance-plugin: runs one program for the public conformance runner
usage: epass conformance-plugin [MEMORY] < PROGRAM
  echo 'b7 00 00 00 01 00 00 00 95 00 00 00 00 00 00 00' | epass conformance-plugin

MEMORY   hexadecimal bytes that r1 points to; r2 is their number
Standard input holds the program's records as hexadecimal bytes, standard output gets r0.
everywhere  -h --help  -q --quiet  -v --verbose  --color WHEN  --diagnostics json  --no-warn CODE
exit 0, 1 the program was refused or did not end, 2 usage.
)";

}  // namespace epass::tool
