// `epass asm`: assembly text to bare bytecode or to an object.

#include <algorithm>

#include "base/format.h"
#include "bpf/conformance.h"
#include "driver/files.h"
#include "object/assembled.h"
#include "object/dump.h"
#include "tool/command.h"
#include "tool/opt_report.h"

namespace epass::tool {

namespace {

using driver::Emit;

struct Output {
  Emit emit = Emit::kRaw;
  std::vector<uint8_t> bytes = {};
};

Output bare(std::span<const bpf::Insn> insns, Emit emit) {
  if (emit == Emit::kRaw) return {emit, object::print_raw(insns)};
  const std::string text = object::print_dump(insns);
  return {emit, {text.begin(), text.end()}};
}

// An object is wanted if anything would be lost in bare code.
bool needs_object(const bpf::Assembly& assembly) {
  auto has_bytes = [](const bpf::Assembly::Section& s) { return !s.bytes.empty() || s.zeros; };
  const auto sections = std::ranges::count_if(assembly.sections, has_bytes);
  return sections > 1 || !bpf::flat_code(assembly) ||
         std::ranges::any_of(assembly.sections,
                             [&](const auto& s) { return has_bytes(s) && s.name != ".text"; });
}

bool is_case(std::string_view text) { return text.starts_with("-- ") || text.find("\n-- ") != text.npos; }

Result<Output> assemble_text(std::string_view text, std::optional<bpf::Dialect> dialect,
                             std::optional<Emit> emit) {
  if (is_case(text)) {
    auto test = bpf::read_conformance_case(text);
    if (!test) return fail(test.error());
    auto insns = bpf::program_of(*test);
    if (!insns) return fail(insns.error());
    if (emit == Emit::kElf)
      return usage_error("a conformance case holds bare code", "`--emit raw` or `--emit dump`");
    return bare(*insns, emit.value_or(Emit::kRaw));
  }
  auto assembly = bpf::assemble(text, dialect);
  if (!assembly) return fail(assembly.error());
  if (!emit) emit = needs_object(*assembly) ? Emit::kElf : Emit::kRaw;
  if (*emit != Emit::kElf) {
    auto insns = bpf::flat_code(*assembly);
    if (!insns) return fail(insns.error());
    return bare(*insns, *emit);
  }
  auto bytes = object::object_of(*assembly);
  if (!bytes) return fail(bytes.error());
  return Output{Emit::kElf, std::move(*bytes)};
}

}  // namespace

int run_assemble(Job& job) {
  const Arguments& arguments = job.arguments;
  if (arguments.inputs.size() != 1)
    return job.fail(
        usage_error(arguments.inputs.empty() ? "no input is given" : "`epass asm` takes one input",
                    "`epass asm IN.s -o OUT`")
            .error());
  std::optional<Emit> emit;
  if (arguments.has("emit")) {
    const std::string names[] = {"raw", "dump", "elf"};
    constexpr Emit kEmits[] = {Emit::kRaw, Emit::kDump, Emit::kElf};
    auto word = parse_word("--emit", arguments.get("emit"), names);
    if (!word) return job.fail(word.error());
    emit = kEmits[*word];
  }
  std::optional<bpf::Dialect> dialect;
  if (arguments.has("dialect")) {
    const std::string names[] = {"llvm", "ubpf"};
    auto word = parse_word("--dialect", arguments.get("dialect"), names);
    if (!word) return job.fail(word.error());
    dialect = static_cast<bpf::Dialect>(*word);
  }
  const std::string input = arguments.inputs[0], output = arguments.get("o", "-");
  job.ui.stdout_is_product = output == "-";
  if (auto can = driver::check_writable(output); !can) return job.fail(can.error());
  auto bytes = driver::read_file(input);
  if (!bytes) return job.fail(bytes.error());
  const std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  Result<Output> made = fail("input-empty", "the text is empty");
  if (text.find('\0') != text.npos)
    made = fail("input-format", "the input is no text");
  else if (text.find_first_not_of(" \t\r\n") != text.npos)
    made = assemble_text(text, dialect, emit);
  if (!made) {
    if (made.error().code != "usage") made.error().where.object = input;
    return job.fail_in_text(made.error(), "", "", text);
  }
  if (output == "-")
    if (auto can = check_terminal(made->emit); !can) return job.fail(can.error());
  auto done = driver::write_file(output, made->bytes);
  return done ? static_cast<int>(kDone) : job.fail(done.error());
}

}  // namespace epass::tool
