// Random programs before and after compilation: in the virtual machine with 4 to 10 registers and after every
// pipeline, and in the kernel by test run.
//
// usage: epass_random_agree [--programs N] [--kernel N] [--first SEED]
// A failure prints the seed, what differs, and both programs as dumps. Exit status 1.

#include <bpf/bpf.h>

#include <charconv>
#include <cstdio>
#include <cstring>

#include "codegen/lower.h"
#include "kernel/load.h"
#include "lift/lift.h"
#include "object/dump.h"
#include "pass/pipeline.h"
#include "passes/registry.h"
#include "random_program.h"
#include "vm/vm.h"

namespace epass {
namespace {

constexpr const char* kPipelines[] = {
    "O0",
    "O1",
    "const-prop,dce",
    "simplify,dce",
    "immediates,dce",
    "simplify-cfg",
    "simplify-params,dce",
    "immediates,simplify,const-prop,simplify-cfg,simplify-params,dce,simplify"};

struct Totals {
  uint64_t programs = 0, compiled = 0, runs = 0, undefined = 0, kernel_programs = 0, kernel_runs = 0,
           refused = 0, failures = 0;
};

Result<std::vector<bpf::Insn>> compile(const bpf::Program& program, const char* pipeline, int registers) {
  auto stages = parse_pipeline(pipeline, {all_passes(), level_pipeline});
  if (!stages) return fail(stages.error());
  CallFacts facts = analyze_calls(program);
  std::map<bpf::FunctionId, bpf::NewCode> changed;
  for (uint32_t n = 0; n < program.functions.size(); ++n) {
    bpf::FunctionId id{n};
    auto fn = lift(program, id, facts);
    if (!fn) return fail(fn.error());
    Counters counters;
    if (auto ok = run_pipeline(*fn, *stages, program.symbols, bpf::Isa::kV4, counters, {.verify_each = true});
        !ok)
      return fail(ok.error());
    auto code = lower(std::move(*fn), {.isa = bpf::Isa::kV4, .registers = registers});
    if (!code) return fail(code.error());
    changed[id] = std::move(*code);
  }
  return object::join_flat(program, changed);
}

void report(uint64_t seed, const char* pipeline, int registers, const std::string& why,
            const std::vector<bpf::Insn>& a, const std::vector<bpf::Insn>& b) {
  std::printf("seed %llu, passes %s, %d registers: %s\nbefore:\n%safter:\n%s\n",
              static_cast<unsigned long long>(seed), pipeline, registers, why.c_str(),
              object::print_dump(a).c_str(), object::print_dump(b).c_str());
}

bool check_in_vm(uint64_t seed, Totals& totals) {
  std::vector<bpf::Insn> insns = random_program(seed);
  auto before = object::split_flat(insns, "random");
  if (!before)
    return std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed),
                       before.error().message.c_str()),
           false;
  ++totals.programs;
  for (size_t k = 0; k < std::size(kPipelines); ++k) {
    int registers = k < 2 ? 4 + int(seed % 7) : 10;
    auto after = compile(*before, kPipelines[k], registers);
    if (!after) {
      report(seed, kPipelines[k], registers, after.error().message, insns, {});
      return false;
    }
    ++totals.compiled;
    auto split = object::split_flat(*after, "random");
    for (size_t length : {14u, 60u, 1000u}) {
      vm::Input input{.context = vm::Context::kSkb, .packet = std::vector<uint8_t>(length, 1)};
      vm::Outcome a = vm::run(*before, bpf::FunctionId{0}, input),
                  b = vm::run(*split, bpf::FunctionId{0}, input);
      ++totals.runs;
      totals.undefined += a.read_undefined;
      std::string why = vm::difference(a, b);
      if (why.empty()) continue;
      report(seed, kPipelines[k], registers, why, insns, *after);
      return false;
    }
  }
  return true;
}

bool check_in_kernel(uint64_t seed, Totals& totals) {
  std::vector<bpf::Insn> insns = random_program(seed);
  auto program = object::split_flat(insns, "random");
  kernel::LoadType type = *kernel::load_type("sched_cls");
  kernel::Fd before, after;
  if (!kernel::load({.insns = insns, .type = type, .name = "before"}, &before).accepted.value_or(false))
    return ++totals.refused, true;
  const char* pipeline = seed % 2 ? "O1" : "O0";
  int registers = 4 + int(seed % 7);
  auto code = compile(*program, pipeline, registers);
  if (!code) return report(seed, pipeline, registers, code.error().message, insns, {}), false;
  kernel::Verdict v = kernel::load({.insns = *code, .type = type, .name = "after"}, &after);
  if (!v.accepted.value_or(false))
    return report(seed, pipeline, registers, "lost acceptance: " + v.reason, insns, *code), false;
  ++totals.kernel_programs;
  for (uint32_t length : {14u, 60u, 1000u}) {
    std::vector<uint8_t> packet(length, 1);
    uint32_t results[2];
    for (int k = 0; k < 2; ++k) {
      LIBBPF_OPTS(bpf_test_run_opts, options);
      options.data_in = packet.data();
      options.data_size_in = length;
      if (bpf_prog_test_run_opts(k ? after.get() : before.get(), &options))
        return std::printf("no test run: %s\n", strerror(errno)), false;
      results[k] = options.retval;
    }
    ++totals.kernel_runs;
    if (results[0] != results[1])
      return report(seed, pipeline, registers, "the kernel returns something else", insns, *code), false;
  }
  return true;
}

}  // namespace
}  // namespace epass

int main(int argc, char** argv) {
  using namespace epass;
  uint64_t programs = 500, kernel_programs = 200, first = 1;
  for (int k = 1; k + 1 < argc; k += 2) {
    uint64_t* to = !std::strcmp(argv[k], "--programs") ? &programs
                   : !std::strcmp(argv[k], "--kernel") ? &kernel_programs
                                                       : &first;
    std::from_chars(argv[k + 1], argv[k + 1] + std::strlen(argv[k + 1]), *to);
  }
  Totals totals;
  for (uint64_t seed = first; seed < first + programs && totals.failures < 5; ++seed)
    totals.failures += !check_in_vm(seed, totals);
  std::string refused = kernel_programs ? kernel::why_no_bpf() : "";
  if (!refused.empty()) std::printf("SKIPPED: test runs in the kernel: %s\n", refused.c_str());
  for (uint64_t seed = first; refused.empty() && seed < first + kernel_programs && totals.failures < 5;
       ++seed)
    totals.failures += !check_in_kernel(seed, totals);
  auto n = [](uint64_t x) { return static_cast<unsigned long long>(x); };
  std::printf(
      "virtual machine: %llu programs, %llu compilations, %llu runs (%llu read something undefined)\n",
      n(totals.programs), n(totals.compiled), n(totals.runs), n(totals.undefined));
  std::printf("kernel: %llu programs, %llu runs, %llu refused as they were; failures: %llu\n",
              n(totals.kernel_programs), n(totals.kernel_runs), n(totals.refused), n(totals.failures));
  return totals.failures || !totals.runs ? 1 : 0;
}
