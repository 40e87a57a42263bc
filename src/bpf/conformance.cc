// Reads conformance case files.

#include "bpf/conformance.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/format.h"
#include "bpf/assemble.h"

namespace epass::bpf {

namespace {

std::unexpected<Error> wrong(std::string message, int64_t line, std::string help = "") {
  Error error{.message = std::move(message), .code = "case-file"};
  error.where.line = line;
  error.help = std::move(help);
  return fail(std::move(error));
}

std::optional<uint64_t> hex(std::string_view digits) {
  uint64_t value = 0;
  auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (digits.empty() || code != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// The next word of a line, "" at its end.
std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(" \t\r"));
  line.remove_prefix(word.size());
  return word;
}

bool add_bytes(std::vector<uint8_t>& bytes, std::string_view word) {
  auto value = hex(word);
  if (!value || word.size() > 2) return false;
  bytes.push_back(static_cast<uint8_t>(*value));
  return true;
}

bool add_record(std::vector<uint8_t>& bytes, std::string_view word) {
  if (!word.starts_with("0x")) return add_bytes(bytes, word);
  auto value = hex(word.substr(2));
  for (int n = 0; value && n < 8; ++n) bytes.push_back(static_cast<uint8_t>(*value >> 8 * n));
  return value.has_value();
}

std::optional<uint64_t> read_result(std::string_view word) {
  if (word.starts_with("0x")) return hex(word.substr(2));
  uint64_t value = 0;
  auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (word.empty() || code != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

}  // namespace

Result<ConformanceCase> read_conformance_case(std::string_view text) {
  ConformanceCase out;
  enum class Part : uint8_t { kNone, kAssembly, kRaw, kMemory, kResult, kError, kOther } part = Part::kNone;
  std::vector<uint8_t> raw;
  bool has_assembly = false;
  for (int64_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.starts_with("--")) {
      std::string_view rest = line.substr(2);
      const std::string_view word = take_word(rest);
      if (word == "asm")
        part = Part::kAssembly, has_assembly = true, out.assembly_line = number;
      else if (word == "raw")
        part = Part::kRaw;
      else if (word == "mem")
        part = Part::kMemory;
      else if (word == "result")
        part = Part::kResult;
      else if (word == "error")
        part = Part::kError, out.expects_error = true;
      else if (word == "c" || line.ends_with("no register offset"))
        part = Part::kOther;
      else
        return wrong(format("`{}` is no section of a case", line), number, "asm, raw, mem, result, error, c");
      continue;
    }
    if (part == Part::kAssembly) {
      out.assembly.append(line).append("\n");
      continue;
    }
    if (part == Part::kNone || part == Part::kError || part == Part::kOther) continue;
    line = line.substr(0, line.find('#'));
    for (std::string_view word = take_word(line); !word.empty(); word = take_word(line)) {
      const bool ok = part == Part::kMemory ? add_bytes(out.memory, word)
                      : part == Part::kRaw  ? add_record(raw, word)
                                            : (out.result = read_result(word)).has_value();
      if (!ok) return wrong(format("`{}` is no number of that section", word), number);
    }
  }
  if (raw.size() % 8) return wrong("the records are no whole number of 8-byte ones", -1);
  out.raw.resize(raw.size() / 8);
  if (!raw.empty()) std::memcpy(static_cast<void*>(out.raw.data()), raw.data(), raw.size());
  if (!has_assembly && raw.empty())
    return wrong("the case has no program", -1, "a section `-- asm` or `-- raw`");
  if (!out.result && !out.expects_error)
    return wrong("the case expects nothing", -1, "a section `-- result`");
  return out;
}

Result<std::vector<Insn>> program_of(const ConformanceCase& test) {
  if (test.assembly.empty()) return test.raw;
  auto assembly = assemble(test.assembly, Dialect::kUbpf);
  Result<std::vector<Insn>> insns = assembly ? flat_code(*assembly) : fail(assembly.error());
  if (!insns) {
    if (insns.error().where.line > 0) insns.error().where.line += test.assembly_line;
    return insns;
  }
  if (!test.raw.empty() && *insns != test.raw)
    return wrong("the assembly and the records of the case are different programs", -1);
  return insns;
}

}  // namespace epass::bpf
