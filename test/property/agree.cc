// Random programs before and after compilation: in the virtual machine with 4 to 10 registers and in many
// ways through the compiler, and in the kernel by test run. And as they are: on every engine of the virtual
// machine and in the kernel.
//
// usage: epass_random_agree [--programs N] [--kernel N] [--engines N] [--first SEED] [--quick 1] [--show 1]
// A failure prints the seed, what differs, and the reduced program before and after. Exit status 1.

#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/format.h"
#include "coverage.h"
#include "judge.h"
#include "object/dump.h"
#include "reduce.h"

namespace epass {
namespace {

void put(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

using Again = std::function<std::optional<Mismatch>(const RandomProgram&)>;

// Reduces the program as long as the same kind of mismatch stays, and prints it.
void report(uint64_t seed, const RandomProgram& program, const Mismatch& bad, const char* judge,
            const Again& again) {
  RandomProgram small = program;
  small.insns = reduce(program.insns, [&](const std::vector<bpf::Insn>& insns) {
    small.insns = insns;
    auto m = again(small);
    return m && m->kind == bad.kind;
  });
  Mismatch last = again(small).value_or(bad);
  put(format("\n{}, seed {}: {}\n  passes {}, {} registers; reduced from {} to {} records:\n{}", judge, seed,
             last.why, bad.variant.name(), bad.registers, program.insns.size(), small.insns.size(),
             listing(small.insns)));
  if (!last.after.empty()) put("after:\n" + listing(last.after));
  put("as dump:\n" + object::print_dump(small.insns));
  std::fflush(stdout);
}

void check_in_vm(uint64_t seed, const Effort& effort, Totals& totals, Coverage& coverage) {
  RandomProgram program = random_program(seed, Judge::kVirtualMachine);
  coverage.add(program.insns);
  auto bad = judge_in_vm(program, seed, effort, totals);
  if (!bad) return;
  ++totals.failures;
  Totals unused;
  report(seed, program, *bad, "virtual machine",
         [&](const RandomProgram& p) { return judge_in_vm(p, seed, effort, unused, &*bad); });
}

void check_in_kernel(KernelJudge& judge, uint64_t seed, Totals& totals) {
  RandomProgram program = random_program(seed, Judge::kKernel);
  auto bad = judge.judge(program, seed, totals);
  if (!bad) return;
  ++totals.failures;
  Totals unused;
  report(seed, program, *bad, "kernel",
         [&](const RandomProgram& p) { return judge.judge(p, seed, unused, &*bad); });
}

void check_engines(Judge judge, KernelJudge* kernel, uint64_t seed, Totals& totals) {
  const RandomProgram program = random_program(seed, judge);
  auto bad = judge_engines(program, seed, judge, kernel, totals);
  if (!bad) return;
  ++totals.failures;
  Totals unused;
  report(seed, program, *bad, "engines",
         [&](const RandomProgram& p) { return judge_engines(p, seed, judge, kernel, unused); });
}

}  // namespace
}  // namespace epass

namespace epass {
namespace {

struct Settings {
  uint64_t programs = 500, kernel = 300, engines = 500, first = 1, quick = 0, show = 0;
};

// Key and value per word, for scripts; then the sentence for people.
void print_totals(const char* judge, const Totals& t) {
  put(format(
      "totals judge={} programs={} compilations={} runs={} ended={} undefined={} refused={} unstable={} "
      "without_room={} also_in_vm={} failures={}\n",
      judge, t.programs, t.compilations, t.runs, t.ended, t.undefined, t.refused, t.unstable, t.no_room,
      t.same_as_vm, t.failures));
}

Totals run_vm(const Settings& settings) {
  Totals totals;
  Coverage coverage;
  Effort effort{.all_registers = settings.quick == 0};
  for (uint64_t k = 0; k < settings.programs && totals.failures < 5; ++k)
    check_in_vm(settings.first + k, effort, totals, coverage);
  // A few programs do not use everything.
  std::vector<std::string> missing = coverage.missing();
  if (settings.programs >= 500) {
    put(format("instruction forms in the programs: {} of {}\n", coverage.used(), Coverage::all()));
    for (const std::string& text : missing) put("  not used: " + text + "\n");
    totals.failures += !missing.empty();
  }
  print_totals("vm", totals);
  if (!totals.runs) put("nothing ran\n"), ++totals.failures;
  return totals;
}

Totals run_kernel(const Settings& settings) {
  Totals totals;
  KernelJudge judge;
  if (!judge.unavailable().empty()) {
    put("SKIPPED: test runs in the kernel: " + judge.unavailable() + "\n");
    return totals;
  }
  for (uint64_t k = 0; totals.programs < settings.kernel && k < 2 * settings.kernel && totals.failures < 5;
       ++k)
    check_in_kernel(judge, settings.first + k, totals);
  print_totals("kernel", totals);
  for (const auto& [reason, seeds] : totals.reasons)
    put(format("  refused {}, first seed {}: {}\n", seeds.size(), seeds[0], reason));
  if (!totals.runs) put("nothing ran\n"), ++totals.failures;
  return totals;
}

// One half as the kernel accepts them, which it runs as well if there is one to ask; one half with
// everything.
Totals run_engines(const Settings& settings) {
  Totals totals;
#if defined(__x86_64__)
  KernelJudge judge;
  const bool has_kernel = judge.unavailable().empty();
  if (!has_kernel) put("SKIPPED: test runs in the kernel: " + judge.unavailable() + "\n");
  for (uint64_t k = 0; k < settings.engines && totals.failures < 5; ++k)
    check_engines(k % 2 ? Judge::kKernel : Judge::kVirtualMachine, k % 2 && has_kernel ? &judge : nullptr,
                  settings.first + k, totals);
  print_totals("engines", totals);
  for (const auto& [reason, seeds] : totals.reasons)
    put(format("  refused {}, first seed {}: {}\n", seeds.size(), seeds[0], reason));
  if (!totals.runs) put("nothing ran\n"), ++totals.failures;
#else
  put("SKIPPED: compiled code: not on this architecture\n");
#endif
  return totals;
}

}  // namespace
}  // namespace epass

int main(int argc, char** argv) {
  using namespace epass;
  Settings settings;
  for (int k = 1; k + 1 < argc; k += 2) {
    uint64_t* to = !std::strcmp(argv[k], "--programs")  ? &settings.programs
                   : !std::strcmp(argv[k], "--kernel")  ? &settings.kernel
                   : !std::strcmp(argv[k], "--engines") ? &settings.engines
                   : !std::strcmp(argv[k], "--quick")   ? &settings.quick
                   : !std::strcmp(argv[k], "--show")    ? &settings.show
                                                        : &settings.first;
    std::from_chars(argv[k + 1], argv[k + 1] + std::strlen(argv[k + 1]), *to);
  }
  if (settings.show) {
    for (Judge judge : {Judge::kVirtualMachine, Judge::kKernel}) {
      const auto insns = random_program(settings.first, judge).insns;
      put("program:\n" + listing(insns) + "as dump:\n" + object::print_dump(insns));
    }
    return 0;
  }
  uint64_t failures = 0;
  if (settings.programs) failures += run_vm(settings).failures;
  if (settings.kernel) failures += run_kernel(settings).failures;
  if (settings.engines) failures += run_engines(settings).failures;
  return failures ? 1 : 0;
}
