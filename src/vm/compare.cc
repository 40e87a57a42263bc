// Running programs and comparing what they did.

#include <algorithm>
#include <set>

#include "base/format.h"
#include "vm/seeded.h"

namespace epass::vm {

using namespace bpf;

Outcome run(const bpf::Program& program, FunctionId entry, const Input& input, const Options& options) {
  return run(Executable(program), entry, input, options);
}

// Code for the machine, compiled anew if there is none that fits. Why it has none.
static std::string use_jit(Machine& machine, std::unique_ptr<Jit>& code) {
  if (code && machine.use(code.get())) return "";
  auto compiled = Jit::compile(machine);
  if (!compiled) return compiled.error().message;
  code = std::move(*compiled);
  auto used = machine.use(code.get());
  return used ? "" : used.error().message;
}

Outcome run(const Executable& executable, FunctionId entry, const Input& input, const Options& options,
            std::unique_ptr<Jit>* code) {
  Outcome out;
  SeededWorld world(executable, input, options, out);
  const bool jit = options.engine == Engine::kJit;
  Settings settings{.checked = options.checked,
                    .outside = options.outside,
                    .seed = input.seed,
                    .budget = input.budget,
                    .may_goto_rounds = options.may_goto_rounds,
                    .context = input.context,
                    .track = options.checked && !jit,
                    .observe = options.observer && !jit,
                    .stack_shift = input.indeterminate * 0x15128,
                    .first_bytes = &input.bytes};
  if (options.trace && !jit) settings.visited = &out.visited;
  Machine machine(executable, std::move(settings), &world);
  const std::vector<uint64_t> args = world.arguments(machine);
  std::unique_ptr<Jit> own;
  if (jit) out.note = use_jit(machine, code ? *code : own);
  const Run run = machine.run(entry.index, args);
  out.r0 = run.r0;
  out.error = run.fault.message;
  out.error_insn = run.fault.insn;
  out.executed = run.executed;
  out.read_undefined =
      run.read_undefined || (run.ok() && !run.r0_defined && executable.function(entry.index).size);
  world.finish(machine);
  return out;
}

std::string difference(const Outcome& a, const Outcome& b) {
  if (a.read_undefined || b.read_undefined) return "";
  if (a.error == kBudgetUsedUp || b.error == kBudgetUsedUp) return "";
  for (size_t n = 0; n < std::min(a.events.size(), b.events.size()); ++n)
    if (a.events[n] != b.events[n])
      return format("event {}: {} against {}, or its arguments", n, a.events[n].what, b.events[n].what);
  // A fault of the first, which no verifier would accept, may be gone from the second: a faulting load whose
  // result nobody needs is deleted. Then the second goes on.
  bool goes_on = !a.error.empty() && b.events.size() >= a.events.size();
  if (a.events.size() != b.events.size() && !goes_on)
    return format("{} events against {}", a.events.size(), b.events.size());
  if (!a.error.empty()) return "";
  if (!b.error.empty()) return "only the second ends with an error: " + b.error;
  if (a.r0 != b.r0) return format("returns {:#x} against {:#x}", a.r0, b.r0);
  if (a.packet != b.packet) return "the packets differ";
  if (a.memory != b.memory) return "maps or global data differ";
  return "";
}

namespace {

// Where code moves a target of a jump table.
uint32_t moved(const NewCode& code, uint32_t target) {
  auto it = std::ranges::lower_bound(code.table_targets, std::pair{target, 0u});
  return it != code.table_targets.end() && it->first == target ? it->second : target;
}

}  // namespace

bpf::Program with_code(const bpf::Program& program, const std::map<FunctionId, NewCode>& changed) {
  bpf::Program out = program;
  for (const auto& [id, code] : changed) {
    bpf::Function& fn = out.functions[id];
    std::set<SymbolId> tables;
    for (const Attachment& a : fn.attachments) tables.insert(a.symbol);
    for (SymbolId table : tables)
      for (uint32_t& target : out.symbols[table].targets) target = moved(code, target);
    fn.insns = code.insns;
    fn.attachments = code.attachments;
  }
  return out;
}

}  // namespace epass::vm
