// `epass conformance-plugin`: the protocol of the public conformance runner. Memory and program come as
// hexadecimal text, r0 goes out as hexadecimal text.

#include "base/format.h"
#include "bpf/fields.h"
#include "driver/files.h"
#include "object/dump.h"
#include "tool/command.h"
#include "vm/vm.h"

namespace epass::tool {

namespace {

Result<std::vector<uint8_t>> read_hex(std::string_view what, std::string_view text) {
  std::vector<uint8_t> bytes;
  int high = -1;
  for (char c : text) {
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') continue;
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0)
      return usage_error(format("the {} is no hexadecimal text", what), "pairs of digits, `b7 00`");
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<uint8_t>(high * 16 + digit));
      high = -1;
    }
  }
  if (high >= 0) return usage_error(format("the {} ends in the middle of a byte", what));
  return bytes;
}

Result<uint64_t> run_program(std::string_view text, std::vector<uint8_t> memory) {
  auto bytes = read_hex("program", text);
  if (!bytes) return fail(bytes.error());
  auto insns = object::parse_raw(*bytes);
  if (!insns) return fail(insns.error());
  for (uint32_t i = 0; i < insns->size(); i += bpf::records((*insns)[i]))
    if (std::string fault = bpf::field_fault(*insns, i); !fault.empty())
      return fail("insn-unknown", fault, {.insn = i});
  auto program = object::split_flat(std::move(*insns), "program");
  if (!program) return fail(program.error());
  const vm::Outcome out =
      vm::run(*program, bpf::FunctionId{0}, {.packet = std::move(memory), .budget = 1 << 24});
  if (!out.error.empty()) return fail("run", out.error, {.insn = out.error_insn});
  if (out.read_undefined) return fail("run", "the program read a register that was never written");
  return out.r0;
}

}  // namespace

int run_conformance_plugin(Job& job) {
  const Arguments& arguments = job.arguments;
  if (arguments.inputs.size() > 1)
    return job.fail(
        usage_error("only the memory is an argument", "the program comes from standard input").error());
  auto memory = read_hex("memory", arguments.inputs.empty() ? "" : arguments.inputs[0]);
  if (!memory) return job.fail(memory.error());
  auto text = driver::read_file("-");
  if (!text) return job.fail(text.error());
  auto r0 = run_program({reinterpret_cast<const char*>(text->data()), text->size()}, std::move(*memory));
  if (!r0) return job.fail(r0.error());
  job.ui.output(format("{:x}\n", *r0));
  return kDone;
}

}  // namespace epass::tool
