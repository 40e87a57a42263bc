// The table of commands, their options and their help screens. A screen has at most 40 lines of 100 columns;
// a test holds that every option of a table stands in its screen and the other way round.

#include <algorithm>
#include <iterator>

#include "tool/assembly_help.h"
#include "tool/command.h"
#include "tool/judge_help.h"
#include "tool/stats_help.h"

namespace epass::tool {

namespace {

using enum Option::Value;

constexpr Option kCommon[] = {
    {.name = "help", .letter = 'h'},
    {.name = "version", .letter = 'V'},
    {.name = "quiet", .letter = 'q'},
    {.name = "verbose", .letter = 'v', .repeatable = true},
    {.name = "color", .value = kRequired, .takes = "auto always never"},
    {.name = "diagnostics", .value = kRequired, .takes = "text json"},
    {.name = "no-warn", .value = kRequired, .repeatable = true, .takes = "CODE"},
};

constexpr Option kOpt[] = {
    {.name = "O", .letter = 'O', .value = kRequired, .takes = "0 1 2 3 s"},
    {.name = "passes", .value = kRequired, .takes = "PASS"},
    {.name = "prog", .value = kRequired, .repeatable = true},
    {.name = "isa", .value = kRequired, .takes = "auto v1 v2 v3 v4"},
    {.name = "check-kernel", .value = kAttached, .takes = "strict"},
    {.name = "strict", .value = kAttached, .repeatable = true, .takes = "CODE"},
    {.name = "allow-larger"},
    {.name = "allow-atomic-rmw"},
    {.name = "rodata-const"},
    {.name = "unaligned", .value = kRequired, .takes = "auto yes no"},
    {.name = "objective", .value = kRequired, .takes = "balanced size speed verifier"},
    {.name = "o", .letter = 'o', .value = kRequired, .takes = "FILE"},
    {.name = "input", .value = kRequired, .takes = "elf raw dump epir"},
    {.name = "emit", .value = kRequired, .takes = "elf raw dump asm epir"},
    {.name = "S", .letter = 'S'},
    {.name = "offset-map", .value = kRequired, .takes = "FILE"},
    {.name = "keep-dwarf"},
    {.name = "print-before", .value = kRequired, .repeatable = true, .takes = "PASS"},
    {.name = "print-after", .value = kRequired, .repeatable = true, .takes = "PASS"},
    {.name = "print-after-all"},
    {.name = "print-changed"},
    {.name = "verify-each"},
    {.name = "time-passes"},
    {.name = "stats"},
    {.name = "remarks", .value = kRequired, .takes = "FILE"},
    {.name = "remarks-filter", .value = kRequired, .repeatable = true, .takes = "PASS"},
    {.name = "bisect", .value = kRequired},
    {.name = "json", .value = kAttached, .takes = "FILE"},
    {.name = "j", .letter = 'j', .value = kRequired},
};
constexpr std::string_view kOptHelp =
    R"(epass opt: make eBPF programs smaller, faster and cheaper to verify
usage: epass opt IN [-o OUT] [OPTIONS]
  epass opt prog.o                                   what would be gained? (writes nothing)
  epass opt prog.o -o small.o                        the recommended level
  epass opt prog.o -o same.o -O0                     lift and lower alone: a check of the compiler
  epass opt prog.o --passes 'O1,dump-ir'             look inside

work      -O0 -O1 -O2 -O3 -Os     level (default -O1)     --passes TEXT   own pipeline
          --prog NAME             only this program; repeat, globs allowed
          --isa auto|v1..v4       newest instructions (default auto: v3, or v4 if the input has it)
          --objective WHAT        balanced size speed verifier: what -O2 -O3 -Os choose code by
          --allow-larger          take new code that is larger than the old
          --allow-atomic-rmw      shorter, slower: additions to map values become atomic
          --unaligned auto|yes|no may accesses be unaligned where the code will run? (auto: as here)
          --rodata-const          .rodata is as it will be: no loader sets variables in it
          --check-kernel[=strict] ask this kernel (root); leave out passes whose result it rejects,
                                  strict: or that make it work or keep more
          --strict[=CODE]         fail, not keep or warn
files     -o FILE                 output, - for stdout
          --input FORMAT          elf raw dump epir (default: by content)
          --emit FORMAT           elf raw dump asm epir (default: as the input); -S is --emit asm
          --offset-map FILE       new -> old instructions     --keep-dwarf  keep .debug_*
inspect   --print-before PASS     --print-after PASS  --print-after-all  --print-changed
          --verify-each           check the program between passes
          --time-passes  --stats  time and counters of each pass
          --remarks FILE          what each pass did, or missed and why, by source line, as JSON
          --remarks-filter PASS   only of this pass; repeat
          --bisect N              run only the first N passes
report    --json[=FILE]           one JSON object per function (epass help json)
          -j N                    threads (default: one a processor); same bytes for any N
everywhere  -h --help  -q --quiet  -v --verbose  --color WHEN  --diagnostics json  --no-warn CODE
exit 0 written, 1 the input is at fault, 2 usage.  More: epass passes, epass help formats
)";

constexpr Option kPrint[] = {
    {.name = "prog", .value = kRequired, .repeatable = true},
    {.name = "input", .value = kRequired, .takes = "elf raw dump epir"},
    {.name = "raw"},
    {.name = "no-source"},
    {.name = "ir"},
    {.name = "side-by-side"},
    {.name = "json", .value = kAttached, .takes = "FILE"},
};
constexpr std::string_view kPrintHelp =
    R"(epass print: disassemble, with source lines, block labels, and names of maps, helpers and fields
usage: epass print IN... [OPTIONS]
  epass print prog.o                        every program
  epass print prog.o --prog 'tcp_*'         some of them
  epass print prog.o --raw --no-source      bytes instead of C

--prog NAME        only this function; repeat, globs allowed
--input FORMAT     elf raw dump epir (default: by content)
--ir               the program in SSA form, as `epass lift` makes it
--side-by-side     with --ir: each instruction beside what it became
--raw              the bytes of each record, too
--no-source        no source lines
--json             one JSON object per function: its size and instruction set
everywhere  -h --help  -q --quiet  -v --verbose  --color WHEN  --diagnostics json  --no-warn CODE
exit 0, 1 the input is at fault, 2 usage.
)";

constexpr Option kLift[] = {
    {.name = "o", .letter = 'o', .value = kRequired, .takes = "FILE"},
    {.name = "prog", .value = kRequired, .repeatable = true},
    {.name = "passes", .value = kRequired, .takes = "PASS"},
    {.name = "input", .value = kRequired, .takes = "elf raw dump"},
    {.name = "strict", .value = kAttached, .repeatable = true, .takes = "CODE"},
};
constexpr std::string_view kLiftHelp =
    R"(epass lift: the program in SSA form, as .epir text
usage: epass lift IN [-o OUT] [OPTIONS]
  epass lift prog.o --prog count           one program and its subprograms
  epass lift prog.o --passes O1            after passes
  epass lift code.txt -o code.epir         to edit, and to lower again

-o FILE            output (default: standard output)
--prog NAME        only this program; repeat, globs allowed
--passes TEXT      run these first (default: none)
--input FORMAT     elf raw dump (default: by content)
--strict[=CODE]    fail where a function cannot be lifted
everywhere  -h --help  -q --quiet  -v --verbose  --color WHEN  --diagnostics json  --no-warn CODE
exit 0, 1 the input is at fault, 2 usage.  More: docs/ir.md
)";

constexpr Option kLower[] = {
    {.name = "o", .letter = 'o', .value = kRequired, .takes = "FILE"},
    {.name = "emit", .value = kRequired, .takes = "dump raw asm"},
    {.name = "passes", .value = kRequired, .takes = "PASS"},
    {.name = "isa", .value = kRequired, .takes = "auto v1 v2 v3 v4"},
    {.name = "prog", .value = kRequired, .repeatable = true},
    {.name = "input", .value = kRequired, .takes = "epir"},
};
constexpr std::string_view kLowerHelp =
    R"(epass lower: .epir text to bytecode
usage: epass lower IN [-o OUT] [OPTIONS]
  epass lower code.epir                    a dump
  epass lower code.epir --emit asm         to read
  epass lower code.epir -o code --emit raw

-o FILE            output (default: standard output)
--emit FORMAT      dump raw asm (default dump)
--passes TEXT      run these first (default: none)
--isa auto|v1..v4  newest instructions (default auto: v3)
--prog NAME        compile only this function; repeat, globs allowed
--input FORMAT     epir (default: by content)
everywhere  -h --help  -q --quiet  -v --verbose  --color WHEN  --diagnostics json  --no-warn CODE
Maps and other symbols keep the numbers that they have in the text. exit 0, 1 wrong input, 2 usage.
)";

constexpr Option kVerify[] = {
    {.name = "prog", .value = kRequired, .repeatable = true},
    {.name = "type", .value = kRequired},
    {.name = "maps", .value = kRequired, .takes = "FILE"},
    {.name = "input", .value = kRequired, .takes = "elf raw dump"},
    {.name = "kernel-log", .value = kRequired, .takes = "1 2 4"},
    {.name = "allow-not-judged"},
    {.name = "json", .value = kAttached, .takes = "FILE"},
};
constexpr std::string_view kVerifyHelp =
    R"(epass verify: does this kernel accept each program? Nothing is attached, nothing stays loaded
usage: epass verify IN... [OPTIONS]
  sudo epass verify prog.o                          a table of verdicts, and where each rejection is
  sudo epass verify prog.o --prog 'tcp_*' --json    for scripts
  sudo epass verify code.txt --type tp_btf/sys_enter --maps maps.csv

--prog NAME          only this program; repeat, globs allowed
--type TYPE          load as this type, a section prefix of libbpf (default: by section or trying)
--maps FILE          stand-in maps for the descriptors in a dump: CSV, a line a map, with the header
                     fd,type,key_size,value_size,max_entries,flags,frozen,inner
--input FORMAT       elf raw dump (default: by content)
--kernel-log LEVEL   print the verifier's log, at level 1, 2 or 4
--allow-not-judged   exit 0 although this kernel could not judge some
--json[=FILE]        one JSON object per program (epass help json)
everywhere  -h --help  -q --quiet  -v --verbose  --color WHEN  --diagnostics json  --no-warn CODE
The loaded copy is made loadable first: static programs become global, nothing is pinned, large maps
are cut to 4,096 entries, missing inner maps are replaced.
exit 0 all accepted, 1 rejected or not judged, 2 usage.
)";

constexpr Option kRun[] = {
    {.name = "prog", .value = kRequired, .repeatable = true},
    {.name = "ctx", .value = kRequired, .takes = "xdp skb raw"},
    {.name = "packet", .value = kRequired},
    {.name = "mem", .value = kRequired},
    {.name = "map", .value = kRequired, .repeatable = true},
    {.name = "engine", .value = kRequired, .takes = "interp jit kernel"},
    {.name = "repeat", .value = kRequired},
    {.name = "budget", .value = kRequired},
    {.name = "seed", .value = kRequired},
    {.name = "trace"},
    {.name = "profile"},
    {.name = "input", .value = kRequired, .takes = "elf raw dump"},
    {.name = "json", .value = kAttached, .takes = "FILE"},
};
constexpr std::string_view kRunHelp =
    R"(epass run: execute programs in user space, or in this kernel without attaching them
usage: epass run IN [OPTIONS]
  epass run prog.o --prog count --packet 525400123456020000000001080045
  epass run prog.o --prog count --packet @packet.bin --map ports=@ports.json --trace
  epass run prog.o --prog count --engine jit --repeat 100000
  epass run code.txt --mem 0100000002000000

input     --prog NAME            only this program; repeat, globs allowed
          --ctx xdp|skb|raw      what r1 points to (default by the program's type; raw for bytecode)
          --packet BYTES         hexadecimal digits or @FILE (default for xdp and skb: 64 zeros)
          --mem BYTES            raw: the memory that r1 points to, r2 is its length
          --map NAME=@FILE       what a map or data section holds: JSON as of `bpftool map dump -j`,
                                 programs by name in a prog_array, or bare values; repeat
          --seed N               decides time, random numbers and what has no model (default 1)
          --input FORMAT         elf raw dump (default: by content)
work      --engine interp|jit|kernel   kernel: BPF_PROG_TEST_RUN (default interp)
          --repeat N             run N times and tell the time of one; maps keep what they hold
          --budget N             instructions at most (default 262144)
report    --trace                each instruction with its effects: registers, memory, jumps
          --profile              instructions executed by source line and block, hottest first
          --json[=FILE]          one JSON object per program (epass help json)
everywhere  -h --help  -q --quiet  -v --verbose  --color WHEN  --diagnostics json  --no-warn CODE
Maps, packets and common helpers do what the kernel's do; other helpers answer by the seed.
exit 0, 1 a program did not end well, 2 usage. More: docs/vm.md
)";

constexpr Option kPasses[] = {{.name = "O", .letter = 'O', .value = kRequired, .takes = "0 1 2 3 s"},
                              {.name = "json", .value = kAttached, .takes = "FILE"}};
constexpr std::string_view kPassesHelp =
    R"(epass passes: what can be done to a program, and in which order a level does it
usage: epass passes [-O LEVEL]
  epass passes                 every pass, the levels that run it, what it does
  epass passes -O1             the pipeline of a level, in order
  epass help simplify          one pass: its options

-O0 -O1 -O2 -O3 -Os            print the pipeline of this level
--json[=FILE]                  one JSON object per pass
everywhere  -h --help  -q --quiet  -v --verbose  --color WHEN  --diagnostics json  --no-warn CODE
exit 0, or 2 usage.
)";

constexpr std::string_view kHelpHelp =
    R"(epass help: about a command, a pass, a message code, or a topic
usage: epass help [TOPIC]
  epass help opt               the same as `epass opt --help`
  epass help dce               a pass
  epass help input-format      a message code
  epass help formats           what can be read and written
  epass help isa               instruction sets v1 to v4
  epass help json              the fields of reports
  epass help messages          every message code
  epass help man               the manual page, as roff
  epass help bash-completion   source <(epass help bash-completion)
everywhere  -h --help  -q --quiet  -v --verbose  --color WHEN  --diagnostics json  --no-warn CODE
)";

constexpr Command kCommands[] = {
    {"opt", kOptHelp, kOpt, run_opt},
    {"print", kPrintHelp, kPrint, run_print},
    {"lift", kLiftHelp, kLift, run_lift},
    {"lower", kLowerHelp, kLower, run_lower},
    {"verify", kVerifyHelp, kVerify, run_verify},
    {"run", kRunHelp, kRun, run_execute},
    {"check", kCheckHelp, kCheck, run_check},
    {"compare", kCompareHelp, kCompare, run_compare},
    {"reduce", kReduceHelp, kReduce, run_reduce},
    {"stats", kStatsHelp, kStats, run_stats},
    {"asm", kAsmHelp, kAsm, run_assemble},
    {"dis", kDisHelp, kDis, run_disassemble},
    {"conformance-plugin", kPluginHelp, {}, run_conformance_plugin},
    {"passes", kPassesHelp, kPasses, run_passes},
    {"help", kHelpHelp, {}, run_help},
};

}  // namespace

const std::string_view kTopHelp =
    R"(epass: an optimising compiler for eBPF programs
usage: epass COMMAND [OPTIONS] IN [-o OUT]
  epass opt prog.o -o small.o      smaller and faster, same behaviour
  epass print prog.o               disassembly with source lines and names
  sudo epass verify small.o        does this kernel accept it?

change    opt      optimise an object, a dump or raw bytecode
look      print    disassemble with source and maps        stats    two files side by side
judge     verify   ask this kernel                         run      execute in user space
          check    find faults without a kernel            compare  do two files behave the same?
          reduce   shrink a program while a test holds
convert   lift     bytecode to .epir text                  lower    .epir text to bytecode
          asm      assembly text to bytecode               dis      bytecode to assembly text
more      passes   what exists, by level                   help     a command, a pass, a message
everywhere  -h --help  -q --quiet  -v --verbose  --color WHEN  -V --version [-v | --json]
exit 0 done, 1 the input is at fault or the answer is no, 2 usage.  More: epass COMMAND --help
)";

std::span<const Command> commands() { return kCommands; }

const Command* find_command(std::string_view name) {
  auto found = std::ranges::find(kCommands, name, &Command::name);
  return found == std::end(kCommands) ? nullptr : found;
}

std::span<const Option> common_options() { return kCommon; }

}  // namespace epass::tool
