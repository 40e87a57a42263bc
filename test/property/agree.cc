// Random programs before and after compilation: in the virtual machine with 4 to 10 registers and in many
// ways through the compiler, and in the kernel by test run.
//
// usage: epass_random_agree [--programs N] [--kernel N] [--first SEED] [--quick 1] [--show 1]
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

}  // namespace
}  // namespace epass

int main(int argc, char** argv) {
  using namespace epass;
  uint64_t programs = 400, kernel_programs = 300, first = 1, quick = 0, show = 0;
  for (int k = 1; k + 1 < argc; k += 2) {
    uint64_t* to = !std::strcmp(argv[k], "--programs") ? &programs
                   : !std::strcmp(argv[k], "--kernel") ? &kernel_programs
                   : !std::strcmp(argv[k], "--quick")  ? &quick
                   : !std::strcmp(argv[k], "--show")   ? &show
                                                       : &first;
    std::from_chars(argv[k + 1], argv[k + 1] + std::strlen(argv[k + 1]), *to);
  }
  if (show) {
    for (Judge judge : {Judge::kVirtualMachine, Judge::kKernel})
      put("program:\n" + listing(random_program(first, judge).insns));
    return 0;
  }
  Totals vm, kernel;
  Coverage coverage;
  Effort effort{.all_registers = quick == 0};
  for (uint64_t seed = first; seed < first + programs && vm.failures < 5; ++seed)
    check_in_vm(seed, effort, vm, coverage);
  put(format(
      "virtual machine: {} programs, {} compilations ({} without room), {} runs; of the originals' runs "
      "{} ended, {} read something undefined; failures: {}\n",
      vm.programs, vm.compilations, vm.no_room, vm.runs, vm.ended, vm.undefined, vm.failures));
  std::vector<std::string> missing = coverage.missing();
  put(format("instruction forms in the programs: {} of {}\n", coverage.used(), Coverage::all()));
  for (const std::string& text : missing) put("  not used: " + text + "\n");
  // A few programs do not use everything.
  if (programs >= 400 && !missing.empty()) ++vm.failures;
  KernelJudge judge;
  if (!kernel_programs) return vm.failures || !vm.runs ? 1 : 0;
  if (!judge.unavailable().empty()) {
    put("SKIPPED: test runs in the kernel: " + judge.unavailable() + "\n");
    return vm.failures || !vm.runs ? 1 : 0;
  }
  for (uint64_t seed = first;
       kernel.programs < kernel_programs && seed < first + 3 * kernel_programs && kernel.failures < 5; ++seed)
    check_in_kernel(judge, seed, kernel);
  put(
      format("kernel: {} programs, {} runs, {} of them also compared with the virtual machine; {} programs "
             "refused as they were, {} unstable, {} without room; failures: {}\n",
             kernel.programs, kernel.runs, kernel.same_as_vm, kernel.refused, kernel.unstable, kernel.no_room,
             kernel.failures));
  for (const auto& [reason, seeds] : kernel.reasons)
    put(format("  refused {}, first seed {}: {}\n", seeds.size(), seeds[0], reason));
  return vm.failures || kernel.failures || !kernel.runs ? 1 : 0;
}
