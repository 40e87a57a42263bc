// The work on single functions.

#include "driver/worker.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/format.h"
#include "bpf/x86_size.h"

namespace epass::driver {

namespace {

// Functions may come from text that people wrote: what the new code says about the old must exist.
Result<void> check_records(const bpf::NewCode& code, const bpf::Program& program, bpf::FunctionId id) {
  if (program.functions[id].insns.empty()) return {};  // there is no old code
  auto has = [&](bpf::FunctionId of, uint32_t record) {
    return std::ranges::find(program.functions[of].core, record, &bpf::CoreRecord::id) !=
           program.functions[of].core.end();
  };
  for (const bpf::Inlined& from : code.inlined)
    if (from.function.index >= program.functions.size() || from.begin < program.functions[id].insns.size() ||
        from.size != program.functions[from.function].insns.size())
      return fail("ir", format("origins from {} on are not those of a function of the program", from.begin));
  for (const bpf::CoreRecord& record : code.core)
    if (!has(id, record.id) && std::ranges::none_of(code.inlined, [&](const bpf::Inlined& from) {
          return has(from.function, record.id);
        }))
      return fail("ir", format("core({}) names a CO-RE record that the function does not have", record.id));
  for (uint32_t origin : code.origin) {
    const bpf::OriginPlace place = bpf::place_of_origin(id, code.inlined, origin);
    if (origin != kNoOrigin && place.insn >= program.functions[place.function].insns.size())
      return fail("ir", format("@{} names an instruction that the function does not have", origin));
  }
  return {};
}

}  // namespace

Worker::Worker(const bpf::Program& program, const CompileOptions& options, const Stages& stages, bpf::Isa isa)
    : program_(program), options_(options), stages_(stages), facts_(analyze_calls(program)) {
  lower_options_.isa = isa;
  lower_options_.tidy = options.tidy_code;
}

void Worker::compile(FunctionOutcome& out) const {
  CheckScope scope(program_.functions[out.id].name);
  std::optional<Function> fn = lift(out);
  if (!fn) return;
  if (auto done = stages_.optimize(*fn, program_.symbols, lower_options_.isa); !done)
    return keep(out, done.error());
  lower(out, std::move(*fn));
  if (out.code) weigh(out);
}

// Against the function as it was.
void Worker::weigh(FunctionOutcome& out) const {
  const bpf::Function& in = program_.functions[out.id];
  if (!options_.never_larger || in.insns.empty() || bpf::isa_of(in.insns) > lower_options_.isa) return;
  const CodeSize was = {out.insns_in, out.x86_in, out.work_in},
                 now = {out.insns_out, out.x86_out, out.work_out};
  if (std::string why = why_not(now, was, options_.selection); !why.empty())
    keep(out, Error{.message = std::move(why), .code = "larger"});
}

std::optional<Function> Worker::lift(FunctionOutcome& out) const {
  const bpf::Function& in = program_.functions[out.id];
  if (!in.keep_reason.empty()) {
    keep(out, Error{.message = in.keep_reason, .code = "kept"});
    return {};
  }
  Result<Function> fn = stages_.lift(program_, out.id, facts_);
  if (fn) return std::move(*fn);
  keep(out, fn.error());
  return {};
}

void Worker::lower(FunctionOutcome& out, Function&& fn) const {
  if (options_.want_ir) out.ir = fn;
  if (!options_.want_code) return;
  if (auto done = try_lower(out, std::move(fn)); !done) keep(out, done.error());
}

// Of the function and of each copy of another in it.
CodeSize Worker::size_before(bpf::FunctionId id, std::span<const bpf::Inlined> inlined) const {
  CodeSize sum;
  auto add = [&](bpf::FunctionId of, uint32_t copies) {
    if (of.index >= program_.functions.size()) return;  // text says so; check_records refuses it
    const bpf::Function& fn = program_.functions[of];
    const CodeSize size = size_of(fn.insns, fn.attachments);
    sum.insns += copies * size.insns;
    sum.x86 += copies * size.x86;
    sum.work += copies * size.work;
  };
  add(id, 1);
  for (const bpf::Inlined& from : inlined) add(from.function, from.copies);
  return sum;
}

Result<void> Worker::try_lower(FunctionOutcome& out, Function&& fn) const {
  const bpf::Function& in = program_.functions[out.id];
  const CodeSize was = size_before(out.id, fn.inlined);
  Result<bpf::NewCode> code = stages_.lower(std::move(fn), was, lower_options_);
  if (!code) return fail(code.error());
  if (auto sound = check_records(*code, program_, out.id); !sound) return sound;
  const bool needed = bpf::isa_of(in.insns) > lower_options_.isa;
  if (options_.never_larger && !needed && code->insns.size() > was.insns)
    return fail("larger",
                format("the new code has {} instructions, the old {}", code->insns.size(), was.insns));
  const CodeSize now = size_of(code->insns, code->attachments);
  out.insns_out = now.insns;
  out.x86_out = now.x86;
  out.work_out = now.work;
  out.code = std::move(*code);
  return {};
}

void Worker::keep(FunctionOutcome& out, Error why) const { keep_old(program_, out, std::move(why)); }

void Worker::for_each(CompiledProgram& compiled, const std::function<void(FunctionOutcome&)>& work,
                      bool is_last) const {
  std::atomic<uint32_t> next = 0;
  const auto count = static_cast<uint32_t>(compiled.functions.size());
  const auto total =
      static_cast<size_t>(std::ranges::count(compiled.functions, true, &FunctionOutcome::selected));
  auto run = [&] {
    for (uint32_t i = next++; i < count; i = next++) {
      FunctionOutcome& out = compiled.functions[i];
      if (!out.selected) continue;
      work(out);
      if (options_.progress && is_last) options_.progress(program_.functions[out.id].name, total);
    }
  };
  const unsigned threads = std::min(std::max(options_.threads, 1u), std::max(count, 1u));
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i) others.emplace_back(run);
  run();
  for (std::thread& thread : others) thread.join();
}

}  // namespace epass::driver
