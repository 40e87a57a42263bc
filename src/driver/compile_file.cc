// Reads a program from a file, compiles it, and makes the bytes of the output.

#include "driver/compile_file.h"

#include <algorithm>

#include "base/format.h"
#include "driver/listing.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace epass::driver {

namespace {

std::vector<uint8_t> bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

bool is_same(const bpf::NewCode& code, const bpf::Function& fn) {
  auto same_attachment = [](const bpf::Attachment& a, const bpf::Attachment& b) {
    return a.insn == b.insn && a.symbol == b.symbol;
  };
  auto same_core = [](const bpf::CoreRecord& a, const bpf::CoreRecord& b) {
    return a.insn == b.insn && a.id == b.id;
  };
  return code.insns == fn.insns && std::ranges::equal(code.attachments, fn.attachments, same_attachment) &&
         std::ranges::equal(code.core, fn.core, same_core);
}

// Functions that came out as they went in are left out: where nothing changed, the output is the input.
std::map<bpf::FunctionId, bpf::NewCode> changed_code(const CompiledFile& file) {
  std::map<bpf::FunctionId, bpf::NewCode> changed;
  for (const FunctionOutcome& out : file.compiled.functions)
    if (out.code && !out.dropped && !is_same(*out.code, file.program().functions[out.id]))
      changed.emplace(out.id, *out.code);
  return changed;
}

std::set<bpf::FunctionId> dropped_functions(const CompiledFile& file) {
  std::set<bpf::FunctionId> dropped;
  for (const FunctionOutcome& out : file.compiled.functions)
    if (out.dropped) dropped.insert(out.id);
  return dropped;
}

Result<std::vector<uint8_t>> write_native(const CompiledFile& file, Emit emit, const FileOptions& options) {
  const bool is_flat = !file.code.object;
  if (emit == Emit::kElf && file.code.object)
    return file.code.object->write(changed_code(file),
                                   {.keep_dwarf = options.keep_dwarf, .dropped = dropped_functions(file)});
  if ((emit == Emit::kDump || emit == Emit::kRaw) && is_flat) {
    auto insns = object::join_flat(file.program(), changed_code(file));
    if (!insns) return fail(insns.error());
    return emit == Emit::kRaw ? object::print_raw(*insns) : bytes_of(object::print_dump(*insns));
  }
  Error error{
      .message = format("`--emit {}` is not possible for {} input", name_of(emit), name_of(file.code.format)),
      .code = "emit"};
  error.help = file.code.object ? "its relocations have no place there; `--emit asm` shows the code"
                                : "there is no object to put it in; dump, raw, asm and epir are possible";
  return fail(std::move(error));
}

// Functions that come from text, with their code. Written flat, they could not be told apart.
CodeFile with_new_code(const CompiledFile& file) {
  CodeFile code{.name = file.code.name, .format = Format::kRaw, .flat = file.code.flat};
  for (const FunctionOutcome& out : file.compiled.functions) {
    if (!out.code) continue;
    bpf::Function& fn = code.flat.functions[out.id];
    fn.insns = out.code->insns;
    fn.attachments = out.code->attachments;
    fn.core = out.code->core;
  }
  return code;
}

// What would be written, read again.
Result<CodeFile> read_again(const CompiledFile& file, const FileOptions& options) {
  auto bytes = write_native(file, static_cast<Emit>(file.code.format), options);
  if (!bytes) return fail(bytes.error());
  return read_code({.name = file.code.name, .format = file.code.format, .bytes = std::move(*bytes)});
}

// The listing of what would be written.
Result<std::vector<uint8_t>> write_listing(const CompiledFile& file, const FileOptions& options) {
  const bool is_ssa = file.code.module.has_value();
  Result<CodeFile> code = is_ssa ? with_new_code(file) : read_again(file, options);
  if (!code) return fail(code.error());
  std::string text;
  uint32_t next = 0;  // functions that are left out are not there
  for (const FunctionOutcome& out : file.compiled.functions) {
    if (out.dropped) continue;
    const bpf::FunctionId id = is_ssa ? out.id : bpf::FunctionId{next};
    ++next;
    if (out.selected) text += (text.empty() ? "" : "\n") + listing(*code, id);
  }
  return bytes_of(text);
}

// The functions in SSA form. One that could not be lifted is a comment.
std::string write_epir(const CompiledFile& file) {
  Module module{.name = file.code.name, .symbols = file.program().symbols};
  std::string kept;
  for (const FunctionOutcome& out : file.compiled.functions) {
    if (out.ir)
      module.functions.push_back(*out.ir);
    else if (out.kept)
      kept += format("; {} is left out: {}\n", file.program().functions[out.id].name, out.kept->message);
  }
  return print(module) + kept;
}

Result<std::vector<uint8_t>> write_output(const CompiledFile& file, const FileOptions& options) {
  if (file.emit == Emit::kEpir) return bytes_of(write_epir(file));
  if (file.emit == Emit::kAsm) return write_listing(file, options);
  return write_native(file, file.emit, options);
}

}  // namespace

void set_level(FileOptions& options, std::string_view level) {
  const bool chooses = level != "O0" && level != "O1";
  options.pipeline.text = level;
  // -O0 shows what lift and lower do, good or bad.
  options.compile.never_larger = level != "O0";
  options.compile.tidy_code = chooses;
  Selection& selection = options.compile.selection;
  if (chooses) selection.effort = level == "O3" ? Effort::kSearch : Effort::kFew;
  if (level == "Os") selection.objective = Objective::kSize;
}

Result<CompiledFile> compile_file(Input input, const FileOptions& options) {
  auto pipeline = Pipeline::parse(options.pipeline);
  if (!pipeline) return fail(pipeline.error());
  auto in_file = [name = input.name](Error error) {
    if (error.where.object.empty()) error.where.object = name;
    return fail(std::move(error));
  };
  auto code = read_code(std::move(input));
  if (!code) return fail(code.error());

  CompiledFile file{.code = std::move(*code)};
  if (options.rodata_const && file.code.object) file.code.object->freeze_rodata();
  file.emit = options.emit.value_or(static_cast<Emit>(file.code.format));
  CompileOptions compile = options.compile;
  if (pipeline->in_sequence()) compile.threads = 1;
  if (options.pipeline.bisect) compile.selection = {};
  std::function<bool(const Function&, const PassInfo&)> filter = options.pipeline.filter;
  if (options.pipeline.strict_alignment)
    filter = [&options](const Function& fn, const PassInfo& pass) {
      return !makes_unaligned(pass) && (!options.pipeline.filter || options.pipeline.filter(fn, pass));
    };
  if (filter) compile.selection.filter = &filter;
  compile.keep_unused = options.keep_dwarf;  // it describes them
  compile.want_ir = file.emit == Emit::kEpir;
  compile.want_code = !compile.want_ir;
  const bool is_ssa = file.code.module.has_value();
  if (is_ssa) compile.never_larger = false;
  const Stages stages{
      .lift = [&](const bpf::Program& p, bpf::FunctionId id, const CallFacts& facts) -> Result<Function> {
        if (is_ssa) return file.code.module->functions[id.index];
        auto fn = lift(p, id, facts);
        if (!fn || !options.pipeline.verify_each) return fn;
        if (auto valid = verify(*fn); !valid) return fail(valid.error());
        return fn;
      },
      .optimize = [&](Function& fn, const Symbols& symbols,
                      bpf::Isa isa) { return pipeline->run(fn, symbols, isa); },
      .lower =
          [&](Function&& fn, CodeSize was, const LowerOptions& lower_options) {
            return lower_best(std::move(fn), was, file.program().symbols, lower_options, compile.selection);
          },
      .module = {.passes = pipeline->module_passes(),
                 .begin = [&] { pipeline->begin_module(); },
                 .optimize = [&](Function& fn, const Symbols& symbols, bpf::Isa isa,
                                 size_t part) { return pipeline->run_part(fn, symbols, isa, part); },
                 .run = [&](Members& members, const Symbols& symbols, bpf::Isa isa,
                            size_t pass) { return pipeline->run_module_pass(members, symbols, isa, pass); }},
  };
  auto compiled = compile_program(file.program(), compile, stages);
  if (!compiled) return in_file(compiled.error());
  file.compiled = std::move(*compiled);
  if (auto done = pipeline->finish(file.program().symbols); !done) return fail(done.error());
  file.passes = pipeline->report();
  // There is no old code to fall back on.
  if (is_ssa)
    for (const FunctionOutcome& out : file.compiled.functions)
      if (out.kept) return in_file(*out.kept);
  auto bytes = write_output(file, options);
  if (!bytes) return in_file(bytes.error());
  file.bytes = std::move(*bytes);
  return file;
}

Result<void> keep_functions(CompiledFile& file, const std::vector<bool>& which, const Error& reason,
                            const FileOptions& options) {
  for (FunctionOutcome& out : file.compiled.functions) {
    if (!which[out.id.index] || !out.code) continue;
    keep_old(file.program(), out, reason);
  }
  settle(file.program(), file.compiled);
  auto bytes = write_output(file, options);
  if (!bytes) return fail(bytes.error());
  file.bytes = std::move(*bytes);
  return {};
}

std::string offset_map(const CompiledFile& file) {
  std::string text;
  for (const FunctionOutcome& out : file.compiled.functions) {
    const std::string& name = file.program().functions[out.id].name;
    for (uint32_t i = 0; i < out.insns_out; ++i) {
      const bpf::OriginPlace from = out.code
                                        ? bpf::place_of_origin(out.id, out.code->inlined, out.code->origin[i])
                                        : bpf::OriginPlace{out.id, i};
      const bpf::Function& fn = file.program().functions[from.function];
      std::string old = from.insn < fn.insns.size() ? std::to_string(from.insn) : "-";
      if (from.function != out.id) old = fn.name + ":" + old;
      text += format("{} {} {}\n", name, i, old);
    }
  }
  return text;
}

}  // namespace epass::driver
