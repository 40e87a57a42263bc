// The engines of the virtual machine against each other, and against the kernel.

#include "judge.h"
#include "object/dump.h"

namespace epass {

namespace {

// Addresses are the host's in unchecked runs, so what helpers were called with tells nothing there.
std::string difference(vm::Outcome a, vm::Outcome b, bool checked) {
  if (!b.note.empty()) return b.note;
  if (a.read_undefined) return "";
  if (!checked) a.events.clear(), b.events.clear();
  if (a.executed != b.executed)
    return "the interpreter counts " + std::to_string(a.executed) + " instructions, compiled code " +
           std::to_string(b.executed);
  if (a.error != b.error)
    return "the interpreter ends with `" + a.error + "`, compiled code with `" + b.error + "`";
  return vm::difference(a, b);
}

// Whether it finishes without an access outside of its memory, as a verifier would have made sure.
bool is_sound(const vm::Executable& executable, const vm::Input& input, vm::Options options) {
  options.outside = vm::Outside::kFault;
  return vm::run(executable, bpf::FunctionId{0}, input, options).finished();
}

}  // namespace

std::optional<Mismatch> judge_engines(const RandomProgram& program, uint64_t seed, Judge judge,
                                      KernelJudge* kernel, Totals& totals) {
  vm::Options options = vm_options();
  if (judge == Judge::kKernel) options.may_goto_rounds = 0;
  auto split = object::split_flat(program.insns, "random");
  if (!split) return Mismatch{.kind = "split", .why = split.error().message};
  const vm::Executable executable(*split);
  std::unique_ptr<vm::Jit> code;
  std::vector<vm::Input> inputs;
  std::vector<vm::Outcome> expected;
  ++totals.programs;
  for (uint64_t n = 0; n < 4; ++n) {
    inputs.push_back({.context = program.xdp ? vm::Context::kXdp : vm::Context::kSkb,
                      .packet = random_packet(seed * 64 + n),
                      .seed = seed * 64 + n});
    // Some runs end in the middle, each at its own place.
    if (n == 3) inputs[3].budget = std::max<uint64_t>(expected[0].executed, 1) * (seed % 16) / 16;
    const vm::Input& input = inputs.back();
    expected.push_back(vm::run(executable, bpf::FunctionId{0}, input, options));
    totals.undefined += expected.back().read_undefined;
    totals.ended += expected.back().finished();
    for (const bool checked : {true, false}) {
      if (!checked && (judge != Judge::kKernel || !is_sound(executable, input, options))) continue;
      vm::Options compiled = options;
      compiled.engine = vm::Engine::kJit, compiled.checked = checked;
      const vm::Outcome got =
          vm::run(executable, bpf::FunctionId{0}, input, compiled, checked ? &code : nullptr);
      ++totals.runs;
      if (std::string why = difference(expected.back(), got, checked); !why.empty())
        return Mismatch{.kind = checked ? "checked" : "unchecked",
                        .why = (checked ? "checked: " : "unchecked: ") + why};
    }
  }
  inputs.pop_back();
  return kernel ? kernel->judge_machine(program, executable, inputs, expected, options, totals)
                : std::nullopt;
}

std::optional<Mismatch> KernelJudge::judge_machine(const RandomProgram& program,
                                                   const vm::Executable& executable,
                                                   const std::vector<vm::Input>& inputs,
                                                   const std::vector<vm::Outcome>& expected,
                                                   const vm::Options& options, Totals& totals) {
  for (size_t n = 0; n < inputs.size(); ++n)
    if (!may_run(program, expected[n])) return ++totals.refused, std::nullopt;
  std::string why;
  kernel::Fd fd = load(program.insns, program, why);
  if (!fd) {
    ++totals.refused;
    totals.reasons[why].push_back(inputs[0].seed / 64);
    return std::nullopt;
  }
  for (size_t n = 0; n < inputs.size(); ++n) {
    auto got = run(fd, program.xdp, inputs[n].packet);
    if (!got) return Mismatch{.kind = "no run", .why = "no test run"};
    vm::Input other = inputs[n];
    other.seed = ~other.seed;
    const bool exact = program.exact && expected[n].finished() &&
                       vm::run(executable, bpf::FunctionId{0}, other, options).r0 == expected[n].r0;
    if (!exact) continue;
    ++totals.same_as_vm;
    if (uint32_t(expected[n].r0) != got->result || expected[n].packet != got->packet)
      return Mismatch{
          .kind = "machine",
          .why = "the virtual machine and the kernel differ: " + std::to_string(uint32_t(expected[n].r0)) +
                 " against " + std::to_string(got->result)};
  }
  return std::nullopt;
}

}  // namespace epass
