#pragma once
// A whole program through lift, validator, O1 and code generation. Errors are answers: such functions stay
// out.

#include <map>

#include "codegen/lower.h"
#include "driver/compile.h"
#include "fuzz.h"
#include "ir/verify.h"
#include "lift/lift.h"
#include "pass/pipeline.h"
#include "passes/registry.h"

namespace epass::fuzz {

inline std::map<bpf::FunctionId, bpf::NewCode> compile(const bpf::Program& program) {
  static const auto stages = parse_pipeline("O1", {all_passes(), level_pipeline});
  if (!stages) finding("no O1: " + stages.error().message);
  CallFacts facts = analyze_calls(program);
  bpf::Isa isa = driver::automatic_isa(program);
  std::map<bpf::FunctionId, bpf::NewCode> changed;
  for (uint32_t n = 0; n < program.functions.size(); ++n) {
    bpf::FunctionId id{n};
    if (!program.functions[id].keep_reason.empty()) continue;
    auto fn = lift(program, id, facts);
    if (!fn) continue;
    if (auto ok = verify(*fn); !ok) finding("lift gives an invalid function: " + ok.error().message);
    Counters counters;
    if (auto ok = run_pipeline(*fn, *stages, program.symbols, isa, counters, {.verify_each = true}); !ok)
      finding("a pass gives an invalid function: " + ok.error().message);
    if (auto code = lower(std::move(*fn), {.isa = isa})) changed[id] = std::move(*code);
  }
  return changed;
}

}  // namespace epass::fuzz
