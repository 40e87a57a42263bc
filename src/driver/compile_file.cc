// Reads a program from a file, compiles it, and makes the bytes of the output.

#include "driver/compile_file.h"

#include <algorithm>

#include "base/format.h"

namespace epass::driver {

namespace {

std::unexpected<Error> in_file(Error error, const Input& input) {
  if (error.where.object.empty()) error.where.object = input.name;
  return std::unexpected(std::move(error));
}

std::vector<uint8_t> bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

Result<std::vector<uint8_t>> write_flat(const CompiledFile& file) {
  std::map<bpf::FunctionId, bpf::NewCode> changed;
  for (const FunctionOutcome& out : file.compiled.functions)
    if (out.code) changed.emplace(out.id, *out.code);
  auto insns = object::join_flat(file.program, changed);
  if (!insns) return fail(insns.error());
  return file.emit == Emit::kRaw ? object::print_raw(*insns) : bytes_of(object::print_dump(*insns));
}

Result<std::vector<uint8_t>> write_output(const CompiledFile& file, const Input& input) {
  switch (file.emit) {
    case Emit::kDump:
    case Emit::kRaw: return write_flat(file);
    default: break;
  }
  return fail("emit",
              format("`--emit {}` is not possible for {} input", name_of(file.emit), name_of(input.format)));
}

}  // namespace

Result<bpf::Program> read_program(const Input& input) {
  Result<std::vector<bpf::Insn>> insns;
  switch (input.format) {
    case Format::kDump: insns = object::parse_dump(input.text()); break;
    case Format::kRaw: insns = object::parse_raw(input.bytes); break;
    default: return in_file({.message = "this input holds no bytecode", .code = "input-format"}, input);
  }
  if (!insns) return in_file(insns.error(), input);
  auto program = object::split_flat(std::move(*insns), input.name);
  if (!program) return in_file(program.error(), input);
  return program;
}

Result<CompiledFile> compile_file(const Input& input, const FileOptions& options) {
  auto pipeline = Pipeline::parse(options.pipeline);
  if (!pipeline) return fail(pipeline.error());
  auto program = read_program(input);
  if (!program) return fail(program.error());

  CompiledFile file{.program = std::move(*program)};
  file.emit = options.emit.value_or(static_cast<Emit>(input.format));
  CompileOptions compile = options.compile;
  if (options.pipeline.in_sequence()) compile.threads = 1;
  compile.want_ir = file.emit == Emit::kEpir;
  compile.want_code = !compile.want_ir;
  const Stages stages{
      .lift = [](const bpf::Program& p, bpf::FunctionId id,
                 const CallFacts& facts) { return lift(p, id, facts); },
      .optimize = [&](Function& fn, const Symbols& symbols, uint32_t) { return pipeline->run(fn, symbols); },
      .lower = [](const Function& fn, const LowerOptions& lower_options) { return lower(fn, lower_options); },
  };
  auto compiled = compile_program(file.program, compile, stages);
  if (!compiled) return in_file(compiled.error(), input);
  file.compiled = std::move(*compiled);
  file.passes = pipeline->report();
  auto bytes = write_output(file, input);
  if (!bytes) return in_file(bytes.error(), input);
  file.bytes = std::move(*bytes);
  return file;
}

std::string offset_map(const CompiledFile& file) {
  std::string text;
  for (const FunctionOutcome& out : file.compiled.functions) {
    const std::string& name = file.program.functions[out.id].name;
    for (uint32_t i = 0; i < out.insns_out; ++i)
      text += format("{} {} {}\n", name, i, out.code ? out.code->origin[i] : i);
  }
  return text;
}

}  // namespace epass::driver
