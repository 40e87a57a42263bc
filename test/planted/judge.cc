// Looks for a fault of the compiler that it is built with: compiles generated programs and the files given in
// several ways and compares each with its original on guided inputs, until one differs.
//
// usage: epass_planted [--programs N] [--inputs N] [FILE...]
// Prints one line: `found after I inputs, P programs: WHERE: WHY` or `not found ...`. Exit status 0 if
// nothing differs, 1 if something does, 2 if nothing could be compared.

#include "judge.h"

#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>

#include "base/format.h"
#include "bpf/assemble.h"
#include "codegen/lower.h"
#include "judge/judge.h"
#include "judge/world.h"
#include "lift/lift.h"
#include "object/dump.h"
#include "object/object.h"
#include "pass/pipeline.h"
#include "passes/registry.h"
#include "random_program.h"

namespace epass {
namespace {

struct Way {
  const char* passes = "O0";
  bpf::Isa isa = bpf::Isa::kV4;
  Homes homes = Homes::kKept;
  int registers = 10;
};
// Levels as users have them; few registers and no homes, so that there is something to assign and to spill;
// old instruction sets; each pass alone, since the others of a level may hide what it does.
constexpr Way kWays[] = {
    {"O2"},
    {"O1"},
    {"O0", bpf::Isa::kV4, Homes::kPreferred, 5},
    {"O1", bpf::Isa::kV4, Homes::kPreferred, 4},
    {"O1", bpf::Isa::kV1},
    {"O0", bpf::Isa::kV2, Homes::kPreferred, 10},
    {"O2", bpf::Isa::kV3, Homes::kLast, 7},
    {"unswitch,O2,schedule"},
    {"simplify"},
    {"const-prop"},
    {"simplify-params"},
    {"merge-stores"},
    {"early-cse,dead-stores"},
    {"simplify-cfg", bpf::Isa::kV4, Homes::kPreferred, 6},
    {"immediates", bpf::Isa::kV4, Homes::kPreferred, 10},
    {"promote-slots,const-prop", bpf::Isa::kV4, Homes::kPreferred, 8},
};

// What generated programs and the sample of the corpus hardly have.
constexpr const char* kCases[] = {
    // Loads with and without sign of the same byte, and a mask behind one.
    "r2 = *(s8 *)(r1 + 4)\nr2 &= 0xff\nr0 = r2\nexit\n",
    "r2 = *(u8 *)(r1 + 4)\nr3 = *(s8 *)(r1 + 4)\nr2 -= r3\nr0 = r2\nexit\n",
    // The sign of a byte that a load without sign made, by shifts.
    "r2 = *(u8 *)(r1 + 4)\nr2 <<= 56\nr2 s>>= 56\nr0 = r2\nexit\n",
    // The same sum in both widths.
    "r2 = *(u64 *)(r1 + 0)\nr3 = *(u64 *)(r1 + 8)\nr4 = r2\nr4 += r3\nr5 = r2\nw5 += w3\nr0 = r4\nr0 ^= "
    "r5\nexit\n",
    // Half of a value by way of the stack.
    "r2 = *(u64 *)(r1 + 0)\n*(u32 *)(r10 - 8) = r2\nr0 = *(u32 *)(r10 - 8)\nexit\n",
    // Bytes that are overwritten, and read, between stores of their neighbours.
    "r6 = *(u64 *)(r1 + 0)\nr7 = *(u64 *)(r1 + 8)\n*(u8 *)(r10 - 8) = 1\n*(u8 *)(r10 - 7) = 2\n*(u16 *)(r10 "
    "- 8) = r6\n"
    "*(u8 *)(r10 - 6) = 3\n*(u8 *)(r10 - 5) = 4\nr1 = r10\nr1 += -8\nr2 = 4\ncall 6\nr0 = 0\nexit\n",
    "*(u16 *)(r10 - 8) = 258\nr6 = *(u16 *)(r10 - 8)\n*(u8 *)(r10 - 7) = 7\n*(u8 *)(r10 - 8) = 9\nr1 = "
    "r10\nr1 += -8\nr2 = 2\n"
    "call 6\nr0 = r6\nexit\n",
    "r6 = *(u64 *)(r1 + 0)\n*(u8 *)(r10 - 8) = r6\nr7 = *(u8 *)(r10 - 8)\n*(u8 *)(r10 - 7) = 5\nr1 = r10\nr1 "
    "+= -8\nr2 = 2\n"
    "call 6\nr0 = r7\nexit\n",
    "*(u8 *)(r10 - 8) = 1\nr6 = *(u8 *)(r10 - 8)\n*(u8 *)(r10 - 7) = 2\nr1 = r10\nr1 += -8\nr2 = 2\ncall "
    "6\nr0 = r6\nexit\n",
    "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr4 = r2\nr4 += 34\nr0 = 1\nif r4 > r3 goto +5\nr6 = *(u64 "
    "*)(r2 + 16)\n"
    "*(u8 *)(r2 + 1) = 1\n*(u16 *)(r2 + 0) = r6\n*(u8 *)(r2 + 2) = 3\nr0 = 2\nexit\n",
    // A packet's words put together from bytes, in both orders, and written byte by byte.
    "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr4 = r2\nr4 += 34\nr0 = 1\nif r4 > r3 goto +11\nr5 = *(u8 "
    "*)(r2 + 12)\n"
    "r5 <<= 8\nr6 = *(u8 *)(r2 + 13)\nr5 |= r6\nr7 = *(u8 *)(r2 + 15)\nr7 <<= 8\nr8 = *(u8 *)(r2 + 14)\nr7 "
    "|= r8\nr0 = r5\n"
    "r0 <<= 16\nr0 |= r7\nexit\n",
    "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr4 = r2\nr4 += 34\nr0 = 1\nif r4 > r3 goto +6\nr5 = *(u64 "
    "*)(r2 + 8)\n"
    "r5 >>= 16\n*(u8 *)(r2 + 0) = r5\nr5 >>= 8\n*(u8 *)(r2 + 1) = r5\nr0 = 2\nexit\n",
};

struct Tally {
  uint64_t programs = 0, compilations = 0, inputs = 0, kept = 0;
};

void put(const std::string& text) { std::fputs(text.c_str(), stdout); }

// The program after one way through the compiler; functions that cannot go it stay.
bpf::Program compiled(const bpf::Program& program, const Way& way, Tally& totals) {
  auto stages = parse_pipeline(way.passes, {all_passes(), level_pipeline});
  const CallFacts facts = analyze_calls(program);
  std::map<bpf::FunctionId, bpf::NewCode> changed;
  for (uint32_t n = 0; stages && n < program.functions.size(); ++n) {
    const bpf::FunctionId id{n};
    Counters counters;
    auto fn = lift(program, id, facts);
    const LowerOptions lowering{.isa = way.isa,
                                .homes = way.homes,
                                .tidy = std::string_view(way.passes) != "O0",
                                .registers = way.registers};
    // Not verified between passes: the comparison has to find it.
    auto ran = fn ? run_pipeline(*fn, *stages, program.symbols, way.isa, counters, {}) : fail(fn.error());
    auto code = ran ? lower(*fn, lowering) : fail(ran.error());
    if (code)
      changed[id] = std::move(*code);
    else
      ++totals.kept;
  }
  return vm::with_code(program, changed);
}

// True if some way differs; says which.
bool differs(const bpf::Program& program, const judge::Settings& settings, bpf::FunctionId entry,
             const std::string& name, Tally& totals) {
  const vm::Executable before(program);
  ++totals.programs;
  for (const Way& way : kWays) {
    const bpf::Program after = compiled(program, way, totals);
    const vm::Executable second(after);
    ++totals.compilations;
    const judge::Verdict verdict = judge::compare({before, entry}, {second, entry}, settings);
    totals.inputs += verdict.inputs;
    if (!verdict.difference) continue;
    put(format("found after {} inputs, {} programs: {}, {}{}{}: {}\n", totals.inputs, totals.programs, name,
               way.passes, format(" v{}", int(way.isa)),
               way.homes == Homes::kKept ? "" : format(" without homes, {} registers", way.registers),
               verdict.difference->why));
    return true;
  }
  return false;
}

bool generated(uint64_t seed, uint64_t inputs, Tally& totals) {
  const RandomProgram random = random_program(seed, Judge::kVirtualMachine);
  auto program = object::split_flat(random.insns, "random");
  if (!program) return false;
  judge::Settings settings{.inputs = inputs, .seed = seed, .options = vm_options(), .minimise = false};
  settings.context = random.xdp ? vm::Context::kXdp : vm::Context::kSkb;
  return differs(*program, settings, bpf::FunctionId{0}, format("generated {}", seed), totals);
}

bool written(const char* text, uint64_t inputs, Tally& totals) {
  auto assembly = bpf::assemble(text);
  auto insns = assembly ? bpf::flat_code(*assembly) : fail(assembly.error());
  auto program = insns ? object::split_flat(*insns, "case") : fail(insns.error());
  if (!program) return put(format("case: {}\n", program.error().message)), true;
  judge::Settings settings{
      .inputs = inputs, .options = judge::options_of(*program, nullptr), .minimise = false};
  const bpf::FunctionId entry{0};
  if (std::string_view(text).find("r3 = *(u32 *)(r1 + 4)") != std::string_view::npos) {
    settings.context = vm::Context::kXdp;
    program->functions[entry].type = "xdp";
  }
  return differs(*program, settings, entry, "a case", totals);
}

bool real(const char* path, uint64_t inputs, Tally& totals) {
  std::ifstream file(path, std::ios::binary);
  std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  std::unique_ptr<object::Object> object;
  bpf::Program program;
  auto format_of = object::detect_format(bytes);
  if (format_of && *format_of == object::Format::kElf) {
    auto parsed = object::Object::parse(std::move(bytes), path);
    if (!parsed) return false;
    object = std::make_unique<object::Object>(std::move(*parsed));
    program = object->program();
  } else {
    auto insns = object::parse_dump({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    auto split = insns ? object::split_flat(*insns, path) : fail(insns.error());
    if (!split) return false;
    program = std::move(*split);
  }
  judge::Settings settings{
      .inputs = inputs, .options = judge::options_of(program, object.get()), .minimise = false};
  for (uint32_t n = 0; n < program.functions.size(); ++n) {
    const bpf::FunctionId id{n};
    if (!program.functions[id].is_entry) continue;
    settings.context = judge::context_of(program.functions[id].type);
    if (differs(program, settings, id, std::string(path).substr(std::string(path).rfind('/') + 1), totals))
      return true;
  }
  return false;
}

}  // namespace
}  // namespace epass

int main(int argc, char** argv) {
  using namespace epass;
  uint64_t programs = 120, inputs = 24;
  Tally totals;
  std::vector<const char*> files;
  for (int k = 1; k < argc; ++k) {
    uint64_t* to = !std::strcmp(argv[k], "--programs") ? &programs
                   : !std::strcmp(argv[k], "--inputs") ? &inputs
                                                       : nullptr;
    if (to && ++k < argc)
      std::from_chars(argv[k], argv[k] + std::strlen(argv[k]), *to);
    else if (!to)
      files.push_back(argv[k]);
  }
  for (const char* text : kCases)
    if (written(text, inputs, totals)) return 1;
  for (uint64_t seed = 1; seed <= programs; ++seed)
    if (generated(seed, inputs, totals)) return 1;
  for (const char* path : files)
    if (real(path, 2 * inputs, totals)) return 1;
  put(format("not found in {} inputs, {} programs, {} compilations, {} functions kept\n", totals.inputs,
             totals.programs, totals.compilations, totals.kept));
  return totals.inputs ? 0 : 2;
}
