#pragma once
// Options and help screens of the commands that judge behaviour.

#include "tool/options.h"

namespace epass::tool {

inline constexpr Option kCompare[] = {
    {.name = "prog", .value = Option::Value::kRequired, .repeatable = true},
    {.name = "engine", .value = Option::Value::kRequired, .takes = "interp jit kernel"},
    {.name = "inputs", .value = Option::Value::kRequired},
    {.name = "seed", .value = Option::Value::kRequired},
    {.name = "budget", .value = Option::Value::kRequired},
    {.name = "rodata-const"},
    {.name = "input", .value = Option::Value::kRequired, .takes = "elf raw dump"},
    {.name = "j", .letter = 'j', .value = Option::Value::kRequired},
    {.name = "json", .value = Option::Value::kAttached, .takes = "FILE"},
};
inline constexpr std::string_view kCompareHelp =
    R"(epass compare: do two files behave the same? Runs both in user space, on inputs made to reach every branch
usage: epass compare ORIGINAL SECOND [OPTIONS]
  epass compare prog.o small.o                       every program of both, by section and name
  epass compare prog.o small.o --prog count --inputs 5000
  epass compare before.txt after.txt --json          dumps or raw bytecode

--prog NAME      only this program; repeat, globs allowed
--engine NAME    what runs the second: interp or jit (default interp, which also sees undefined reads);
                 kernel: this kernel runs both by BPF_PROG_TEST_RUN, attached to nothing (root)
--inputs N       inputs for each program (default 256)
--seed N         other inputs (default 1)
--budget N       instructions that the original may run on an input (default 65536)
--rodata-const   .rodata is as in the files; else inputs decide its variables, as a loader may
--input FORMAT   elf raw dump (default: by content)
-j N             threads (default: one a processor); same answer for any N
--json[=FILE]    one JSON object per program (epass help json)
everywhere  -h --help  -q --quiet  -v --verbose  --color WHEN  --diagnostics json  --no-warn CODE
Compared are the result, the packet, the context, maps, global data, and every call with its arguments and
buffers. Inputs where the original does what is undefined or does not end are counted as undecided.
exit 0 the same on every input, 1 different (the first difference is shown), 2 usage.
)";

inline constexpr Option kReduce[] = {
    {.name = "test", .value = Option::Value::kRequired},
    {.name = "o", .letter = 'o', .value = Option::Value::kRequired, .takes = "FILE"},
    {.name = "input", .value = Option::Value::kRequired, .takes = "elf raw dump"},
};
inline constexpr std::string_view kReduceHelp =
    R"(epass reduce: make a program small while a test still holds
usage: epass reduce IN --test CMD [-o OUT] [OPTIONS]
  epass reduce prog.o --test '! epass opt {} --strict' -o small.o
  epass reduce prog.s --test 'sudo epass verify {} | grep -q "invalid access"' -o small.s
  epass reduce code.txt --test './differs.sh {}'

--test CMD       run by the shell; the program is interesting if it exits with status 0. {} is the file to
                 test, which is appended if CMD does not name it
-o FILE          output, - for stdout (default: only sizes)
--input FORMAT   elf raw dump (default: assembly text if the name ends in .s, else by content)
everywhere  -h --help  -q --quiet  -v --verbose  --color WHEN  --diagnostics json  --no-warn CODE
Functions of an object become `r0 = 0; exit`, then ranges of instructions go, branches become jumps and
constants small. A CMD that may not end should be `timeout 10 ...`. exit 0, 1 wrong input, 2 usage.
)";

}  // namespace epass::tool
