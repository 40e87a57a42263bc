// The loop over functions.

#include "driver/compile.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/format.h"
#include "bpf/x86_size.h"
#include "driver/glob.h"
#include "pass/pipeline.h"

namespace epass::driver {

namespace {

// Functions may come from text that people wrote: what the new code says about the old must exist.
Result<void> check_records(const bpf::NewCode& code, const bpf::Function& in) {
  if (in.insns.empty()) return {};  // there is no old code
  for (const bpf::CoreRecord& record : code.core)
    if (std::ranges::find(in.core, record.id, &bpf::CoreRecord::id) == in.core.end())
      return fail("ir", format("core({}) names a CO-RE record that the function does not have", record.id));
  for (uint32_t origin : code.origin)
    if (origin != kNoOrigin && origin >= in.insns.size())
      return fail("ir", format("@{} names an instruction that the function does not have", origin));
  return {};
}

class Worker {
 public:
  Worker(const bpf::Program& program, const CompileOptions& options, const Stages& stages, bpf::Isa isa)
      : program_(program), options_(options), stages_(stages), facts_(analyze_calls(program)) {
    lower_options_.isa = isa;
    lower_options_.tidy = options.tidy_code;
  }

  void compile(FunctionOutcome& out) const {
    const bpf::Function& in = program_.functions[out.id];
    CheckScope scope(in.name);
    if (!in.keep_reason.empty()) {
      out.kept = Error{.message = in.keep_reason, .code = "kept"};
      return place(out, in);
    }
    if (Result<void> done = run(out, in); !done) {
      out.kept = std::move(done.error());
      place(out, in);
    }
  }

 private:
  static void place(FunctionOutcome& out, const bpf::Function& in) {
    if (out.kept->where.section.empty()) out.kept->where.section = in.section;
    if (out.kept->where.function.empty()) out.kept->where.function = in.name;
  }

  Result<void> run(FunctionOutcome& out, const bpf::Function& in) const {
    Result<Function> fn = stages_.lift(program_, out.id, facts_);
    if (!fn) return fail(fn.error());
    if (auto done = stages_.optimize(*fn, program_.symbols, lower_options_.isa); !done)
      return fail(done.error());
    if (options_.want_ir) out.ir = *fn;
    if (options_.want_code) {
      Result<bpf::NewCode> code = stages_.lower(std::move(*fn), in, lower_options_);
      if (!code) return fail(code.error());
      if (auto sound = check_records(*code, in); !sound) return sound;
      const bool needed = bpf::isa_of(in.insns) > lower_options_.isa;
      if (options_.never_larger && !needed && code->insns.size() > in.insns.size())
        return fail("larger", format("the new code has {} instructions, the old {}", code->insns.size(),
                                     in.insns.size()));
      out.insns_out = checked_cast<uint32_t>(code->insns.size());
      out.x86_out = bpf::x86_size(code->insns, code->attachments);
      out.code = std::move(*code);
    }
    return {};
  }

  const bpf::Program& program_;
  const CompileOptions& options_;
  const Stages& stages_;
  CallFacts facts_;
  LowerOptions lower_options_;
};

}  // namespace

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
    out.insns_in = out.insns_out = checked_cast<uint32_t>(in.insns.size());
    out.x86_in = out.x86_out = bpf::x86_size(in.insns, in.attachments);
  }

  const Worker worker(program, options, stages, result.isa);
  // Each function has its own outcome, so the order of the work cannot show in the result.
  std::atomic<uint32_t> next = 0;
  const auto total = static_cast<size_t>(std::ranges::count(*selected, true));
  auto work = [&] {
    for (uint32_t i = next++; i < count; i = next++)
      if (result.functions[i].selected) {
        worker.compile(result.functions[i]);
        if (options.progress) options.progress(program.functions[bpf::FunctionId{i}].name, total);
      }
  };
  const unsigned threads = std::min(std::max(options.threads, 1u), std::max(count, 1u));
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& thread : others) thread.join();
  return result;
}

}  // namespace epass::driver
