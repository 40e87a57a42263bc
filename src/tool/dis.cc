// `epass dis`: the disassembly that llvm-objdump -d prints.

#include "base/format.h"
#include "driver/files.h"
#include "driver/input.h"
#include "object/disassembly.h"
#include "tool/command.h"
#include "tool/opt_report.h"

namespace epass::tool {

namespace {

using driver::Format;

Result<std::string> listing_of(const std::string& path, std::optional<Format> forced,
                               const object::DisassemblyOptions& options) {
  auto input = driver::read_input(path, forced);
  if (!input) return fail(input.error());
  auto failed = [&](Error error) {
    error.where.object = path;
    return fail(std::move(error));
  };
  if (input->format == Format::kElf) {
    auto elf = object::read_elf(input->bytes);
    if (!elf) return failed(elf.error());
    return object::disassembly(*elf, path, options);
  }
  if (input->format == Format::kEpir) {
    Error error{.message = "`.epir` text holds no bytecode", .code = "input-format"};
    error.help = "`epass lower` makes bytecode of it";
    return failed(std::move(error));
  }
  auto insns =
      input->format == Format::kDump ? object::parse_dump(input->text()) : object::parse_raw(input->bytes);
  if (!insns) return failed(insns.error());
  // Damaged code is shown, too: what cannot be split into functions is one.
  std::vector<object::FlatLabel> labels;
  if (auto program = object::split_flat(*insns, path))
    for (uint32_t n = 0; n < program->functions.size(); ++n) {
      const bpf::Function& fn = program->functions[bpf::FunctionId{n}];
      labels.push_back({fn.section_insn, fn.name});
    }
  return object::disassembly(*insns, labels, path, options);
}

}  // namespace

int run_disassemble(Job& job) {
  const Arguments& arguments = job.arguments;
  if (arguments.inputs.size() != 1)
    return job.fail(
        usage_error(arguments.inputs.empty() ? "no input is given" : "`epass dis` takes one input",
                    "`epass dis IN`")
            .error());
  auto format = read_format(arguments);
  if (!format) return job.fail(format.error());
  const std::string output = arguments.get("o", "-");
  job.ui.stdout_is_product = output == "-";
  if (auto can = driver::check_writable(output); !can) return job.fail(can.error());
  auto text = listing_of(arguments.inputs[0], *format, {.bytes = !arguments.has("no-show-raw-insn")});
  if (!text) return job.fail(text.error());
  if (output == "-") {
    job.ui.output(*text);
    return kDone;
  }
  auto done = driver::write_file(output, {reinterpret_cast<const uint8_t*>(text->data()), text->size()});
  return done ? static_cast<int>(kDone) : job.fail(done.error());
}

}  // namespace epass::tool
