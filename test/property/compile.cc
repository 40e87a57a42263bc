#include "compile.h"

#include "codegen/lower.h"
#include "driver/compile_file.h"
#include "object/dump.h"
#include "pass/pipeline.h"
#include "passes/registry.h"
#include "random_program.h"

namespace epass {

std::vector<Variant> variants(uint64_t seed) {
  std::vector<Variant> out = {
      {.passes = "O0"},
      {.passes = "O0", .homes = Homes::kPreferred},
      {.passes = "O1"},
      {.passes = "O1", .homes = Homes::kPreferred},
      {.passes = "O1", .homes = Homes::kLast},
      {.passes = "O2"},
      {.passes = "Os"},
  };
  for (std::string_view level : driver::kLevels) out.push_back({.level = std::string(level)});
  std::vector<std::string> names;
  for (const PassInfo& pass : all_passes())
    if (pass.options.find("FILE") == std::string_view::npos) names.emplace_back(pass.name);
  for (const std::string& name : names) out.push_back({.passes = name + ",dce"});
  Variant random{.homes = Homes(seed % 3)};
  for (uint64_t x = seed * 0x9e3779b97f4a7c15 | 1, n = 0; n < 7; ++n) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    random.passes += (n ? "," : "") + names[x % names.size()];
  }
  out.push_back(random);
  return out;
}

Result<Compiler> Compiler::make(const std::vector<bpf::Insn>& insns) {
  auto program = object::split_flat(insns, "random");
  if (!program) return fail(program.error());
  Compiler out;
  out.program_ = std::move(*program);
  // As an object would say it.
  for (uint32_t n = 0; n < out.program_.symbols.size(); ++n)
    if (bpf::Symbol& s = out.program_.symbols[bpf::SymbolId{n}]; s.name == "map#" + std::to_string(kArrayMap))
      s.map_type = 2;
  out.facts_ = analyze_calls(out.program_);
  return out;
}

Result<const Compiler::Module*> Compiler::module(const std::string& passes) {
  auto [it, is_new] = optimized_.try_emplace(passes);
  if (!is_new && !it->second.empty()) return &it->second;
  for (uint32_t n = uint32_t(lifted_.size()); n < program_.functions.size(); ++n) {
    auto fn = lift(program_, bpf::FunctionId{n}, facts_);
    if (!fn) return fail(fn.error());
    lifted_.push_back(std::move(*fn));
  }
  auto stages = parse_pipeline(passes, {all_passes(), level_pipeline});
  if (!stages) return fail(stages.error());
  Module module = lifted_;
  Members members;
  for (uint32_t n = 0; n < module.size(); ++n) {
    const bpf::Function& fn = program_.functions[bpf::FunctionId{n}];
    members.list.push_back({.fn = &module[n],
                            .is_private = !fn.is_entry && !fn.is_callback,
                            .records = uint32_t(fn.insns.size())});
  }
  Counters counters;
  auto ok = run_pipeline(members, *stages, program_.symbols, bpf::Isa::kV4, counters, {.verify_each = true});
  if (!ok) return fail(ok.error());
  it->second = std::move(module);
  return &it->second;
}

// From the file to the file.
static Result<std::vector<bpf::Insn>> compile_whole_level(const bpf::Program& program,
                                                          std::string_view level) {
  auto insns = object::join_flat(program, {});
  if (!insns) return fail(insns.error());
  driver::FileOptions options;
  driver::set_level(options, level);
  options.compile.isa = bpf::Isa::kV4;
  options.pipeline.verify_each = true;
  auto file = driver::compile_file(
      {.name = "random", .format = driver::Format::kRaw, .bytes = object::print_raw(*insns)}, options);
  if (!file) return fail(file.error());
  // A function may stay as it was because of its size, or because of another one that did; not by a fault.
  for (const driver::FunctionOutcome& out : file->compiled.functions)
    if (out.kept && out.kept->code != "larger" && out.kept->code != "kept") return fail(*out.kept);
  return object::parse_raw(file->bytes);
}

Result<std::vector<bpf::Insn>> Compiler::compile(const Variant& variant, int registers) {
  if (!variant.level.empty()) return compile_whole_level(program_, variant.level);
  auto functions = module(variant.passes);
  if (!functions) return fail(functions.error());
  std::map<bpf::FunctionId, bpf::NewCode> changed;
  for (uint32_t n = 0; n < program_.functions.size(); ++n) {
    const LowerOptions options{.isa = bpf::Isa::kV4,
                               .homes = variant.homes,
                               .tidy = variant.passes != "O0" || variant.homes != Homes::kKept,
                               .registers = registers};
    auto code = lower((**functions)[n], options);
    if (!code) return fail(code.error());
    changed[bpf::FunctionId{n}] = std::move(*code);
  }
  return object::join_flat(program_, changed);
}

}  // namespace epass
