#pragma once
// Options and help screen of `epass stats`.

#include "tool/options.h"

namespace epass::tool {

inline constexpr Option kStats[] = {
    {.name = "prog", .value = Option::Value::kRequired, .repeatable = true},
    {.name = "type", .value = Option::Value::kRequired},
    {.name = "maps", .value = Option::Value::kRequired, .takes = "FILE"},
    {.name = "input", .value = Option::Value::kRequired, .takes = "elf raw dump"},
    {.name = "run-time"},
    {.name = "html", .value = Option::Value::kRequired, .takes = "FILE"},
    {.name = "json", .value = Option::Value::kAttached, .takes = "FILE"},
};
inline constexpr std::string_view kStatsHelp =
    R"(epass stats: sizes, the verifier's work, machine code and run time, of one file or two side by side
usage: epass stats BEFORE [AFTER] [OPTIONS]
  sudo epass stats prog.o small.o                     a line for each program, totals
  sudo epass stats prog.o small.o --run-time --html stats.html
  epass stats prog.o                                  one file; without root: sizes only

--prog NAME        only this program; repeat, globs allowed
--run-time         test-run both in turns where the type can be (xdp, tc, sockets, cgroup_skb, lwt), with
                   the packet that takes the first longest; nothing is attached
--type TYPE        load as this type, a section prefix of libbpf (default: by section or trying)
--maps FILE        stand-in maps for the descriptors in a dump, as for `epass verify`
--input FORMAT     elf raw dump (default: by content)
--html FILE        a page with bars, with nothing outside of it
--json[=FILE]      one JSON object per program (epass help json)
everywhere  -h --help  -q --quiet  -v --verbose  --color WHEN  --diagnostics json  --no-warn CODE
insns: 8-byte records with the functions that it calls; processed, states: the verifier's work; xlated:
records that the kernel keeps; jit bytes: machine code; stack: bytes. `!` marks what got worse.
`epass opt --stats` counts what passes did instead.
exit 0, 1 the input is at fault or acceptance was lost, 2 usage.
)";

}  // namespace epass::tool
