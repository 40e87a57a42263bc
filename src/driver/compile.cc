// The loop over functions.

#include "driver/compile.h"

#include <algorithm>

#include "base/format.h"
#include "driver/glob.h"
#include "driver/worker.h"
#include "pass/pipeline.h"

namespace epass::driver {

void keep_old(const bpf::Program& program, FunctionOutcome& out, Error why) {
  const bpf::Function& fn = program.functions[out.id];
  why.where.section = fn.section;
  why.where.function = fn.name;
  out.code.reset();
  out.insns_out = out.insns_in;
  out.x86_out = out.x86_in;
  out.work_out = out.work_in;
  out.kept = std::move(why);
}

Result<std::vector<bool>> select_functions(const bpf::Program& program,
                                           const std::vector<std::string>& patterns, bool with_callees) {
  const uint32_t count = program.functions.size();
  std::vector<bool> selected(count, patterns.empty());
  std::vector<uint32_t> work;
  for (const std::string& pattern : patterns) {
    bool found = false;
    for (uint32_t i = 0; i < count; ++i) {
      if (!glob_matches(pattern, program.functions[bpf::FunctionId{i}].name)) continue;
      found = true;
      if (!selected[i]) work.push_back(i), selected[i] = true;
    }
    if (found) continue;
    Error error{.message = format("no program is called `{}`", pattern), .code = "unknown-program"};
    error.where.object = program.name;
    std::string names;
    std::vector<std::string_view> all;
    uint32_t shown = 0, entries = 0;
    for (uint32_t i = 0; i < count; ++i) {
      const bpf::Function& fn = program.functions[bpf::FunctionId{i}];
      all.push_back(fn.name);
      if (!fn.is_entry) continue;
      if (++entries <= 8) names += (shown++ ? ", `" : "`") + fn.name + "`";
    }
    if (entries > shown) names += format(" and {} more", entries - shown);
    if (entries) error.notes.push_back("it has " + names);
    if (std::string near = nearest_word(pattern, all); !near.empty())
      error.help = format("did you mean `{}`?", near);
    return fail(std::move(error));
  }
  while (with_callees && !work.empty()) {
    const bpf::Function& fn = program.functions[bpf::FunctionId{work.back()}];
    work.pop_back();
    for (const bpf::Attachment& attachment : fn.attachments) {
      const bpf::Symbol& symbol = program.symbols[attachment.symbol];
      if (!symbol.function || selected[symbol.function.index]) continue;
      selected[symbol.function.index] = true;
      work.push_back(symbol.function.index);
    }
  }
  return selected;
}

bpf::Isa automatic_isa(const bpf::Program& program) {
  bpf::Isa isa = bpf::Isa::kV3;
  for (uint32_t i = 0; i < program.functions.size(); ++i)
    isa = std::max(isa, bpf::isa_of(program.functions[bpf::FunctionId{i}].insns));
  return isa;
}

Result<CompiledProgram> compile_program(const bpf::Program& program, const CompileOptions& options,
                                        const Stages& stages) {
  auto selected = select_functions(program, options.programs);
  if (!selected) return fail(selected.error());
  CompiledProgram result;
  result.isa = options.isa.value_or(automatic_isa(program));
  const uint32_t count = program.functions.size();
  result.functions.resize(count);
  for (uint32_t i = 0; i < count; ++i) {
    FunctionOutcome& out = result.functions[i];
    out.id = bpf::FunctionId{i};
    out.selected = (*selected)[i];
    const bpf::Function& in = program.functions[out.id];
    const CodeSize size = size_of(in.insns, in.attachments);
    out.insns_in = out.insns_out = size.insns;
    out.x86_in = out.x86_out = size.x86;
    out.work_in = out.work_out = size.work;
  }

  const Worker worker(program, options, stages, result.isa);
  if (stages.module.passes && calls_its_own(program)) {
    compile_module(worker, result);
    return result;
  }
  // Each function has its own outcome, so the order of the work cannot show in the result.
  worker.for_each(result, [&](FunctionOutcome& out) { worker.compile(out); });
  return result;
}

}  // namespace epass::driver
