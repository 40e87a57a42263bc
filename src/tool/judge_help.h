#pragma once
// Options and help screens of the commands that judge behaviour.

#include "tool/options.h"

namespace epass::tool {

inline constexpr Option kCompare[] = {
    {.name = "prog", .value = Option::Value::kRequired, .repeatable = true},
    {.name = "engine", .value = Option::Value::kRequired, .takes = "interp jit"},
    {.name = "inputs", .value = Option::Value::kRequired},
    {.name = "seed", .value = Option::Value::kRequired},
    {.name = "budget", .value = Option::Value::kRequired},
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
--engine NAME    what runs the second: interp or jit (default interp, which also sees undefined reads)
--inputs N       inputs for each program (default 256)
--seed N         other inputs (default 1)
--budget N       instructions that the original may run on an input (default 65536)
--input FORMAT   elf raw dump (default: by content)
-j N             threads (default: one a processor); same answer for any N
--json[=FILE]    one JSON object per program (epass help json)
everywhere  -h --help  -q --quiet  -v --verbose  --color WHEN  --diagnostics json  --no-warn CODE
Compared are the result, the packet, the context, maps, global data, and every call with its arguments and
buffers. Inputs where the original does what is undefined or does not end are counted as undecided.
exit 0 the same on every input, 1 different (the first difference is shown), 2 usage.
)";

}  // namespace epass::tool
