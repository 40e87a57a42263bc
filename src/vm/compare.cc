// Running programs and comparing what they did.

#include <algorithm>

#include "base/format.h"
#include "vm/interpreter.h"

namespace epass::vm {

using namespace bpf;

Outcome run(const bpf::Program& program, FunctionId entry, const Input& input, const Options& options) {
  return Interpreter(program, input, options).run(entry);
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

bpf::Program with_code(const bpf::Program& program, const std::map<FunctionId, NewCode>& changed) {
  bpf::Program out = program;
  for (const auto& [id, code] : changed) {
    bpf::Function& fn = out.functions[id];
    fn.insns = code.insns;
    fn.attachments = code.attachments;
  }
  return out;
}

}  // namespace epass::vm
