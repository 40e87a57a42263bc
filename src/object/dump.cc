// Reading and writing bytecode without a container.

#include "object/dump.h"

#include <algorithm>
#include <charconv>

#include "base/format.h"

namespace epass::object {
namespace {

constexpr std::string_view kSpace = " \t\r";

std::string_view trim(std::string_view line) {
  size_t first = line.find_first_not_of(kSpace);
  if (first == line.npos) return {};
  return line.substr(first, line.find_last_not_of(kSpace) - first + 1);
}

// Calls visit(line, number) for each line.
template <class Visit>
bool each_line(std::string_view text, Visit visit) {
  for (int64_t number = 1; !text.empty(); ++number) {
    size_t end = text.find('\n');
    if (!visit(trim(text.substr(0, end)), number)) return false;
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return true;
}

bool is_call_to(bpf::Insn insn) { return insn.code == bpf::kCodeCall && insn.src() == bpf::kLocalCall; }
bool is_function_address(bpf::Insn insn) { return bpf::is_ld_imm64(insn) && insn.src() == bpf::kFuncPtr; }

}  // namespace

Result<Format> detect_format(Bytes bytes) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("\x7f"
                       "ELF"))
    return Format::kElf;
  if (bytes.empty()) return fail("input-empty", "the input is empty");
  size_t word = text.find_first_not_of(" \t\r\n");
  if (word != text.npos && text.substr(word).starts_with("epir")) return Format::kEpir;
  bool digits = false;
  bool decimal = each_line(text, [&](std::string_view line, int64_t) {
    digits |= !line.empty();
    return line.find_first_not_of("0123456789") == line.npos;
  });
  if (decimal && digits) return Format::kDump;
  if (bytes.size() % 8 == 0) return Format::kRaw;
  Error error{
      .message = format(
          "neither an ELF object, nor .epir text, nor a dump; {} bytes are no whole number of 8-byte records",
          bytes.size()),
      .code = "input-format"};
  error.help = "say what it is: `--input elf|raw|dump|epir`";
  return fail(std::move(error));
}

Result<std::vector<bpf::Insn>> parse_dump(std::string_view text) {
  std::vector<bpf::Insn> insns;
  std::optional<Error> error;
  each_line(text, [&](std::string_view line, int64_t number) {
    if (line.empty()) return true;
    uint64_t record = 0;
    auto [end, code] = std::from_chars(line.data(), line.data() + line.size(), record);
    if (code != std::errc() || end != line.data() + line.size()) {
      error = Error{.message = "not a decimal number of 64 bits",
                    .code = "dump-line",
                    .where = {.line = number, .column = end - line.data() + 1}};
      error->help = "a dump has one instruction a line: its 8 bytes as a little-endian number";
      return false;
    }
    bpf::Insn insn;
    std::memcpy(static_cast<void*>(&insn), &record, sizeof insn);
    insns.push_back(insn);
    return true;
  });
  if (error) return fail(std::move(*error));
  if (insns.empty()) return fail("input-empty", "the dump has no instructions");
  return insns;
}

Result<std::vector<bpf::Insn>> parse_raw(Bytes bytes) {
  if (bytes.empty() || bytes.size() % 8)
    return fail("raw-size", format("{} bytes are no whole number of 8-byte records", bytes.size()));
  std::vector<bpf::Insn> insns(bytes.size() / 8);
  std::memcpy(static_cast<void*>(insns.data()), bytes.data(), bytes.size());
  return insns;
}

std::string print_dump(std::span<const bpf::Insn> insns) {
  std::string text;
  for (const bpf::Insn& insn : insns) {
    uint64_t record = 0;
    std::memcpy(&record, &insn, sizeof record);
    text += std::to_string(record);
    text += '\n';
  }
  return text;
}

std::vector<uint8_t> print_raw(std::span<const bpf::Insn> insns) {
  std::vector<uint8_t> bytes(insns.size_bytes());
  if (!insns.empty()) std::memcpy(bytes.data(), insns.data(), bytes.size());
  return bytes;
}

Result<bpf::Program> split_flat(std::vector<bpf::Insn> insns, std::string name) {
  uint32_t size = uint32_t(insns.size());
  std::vector<uint32_t> starts{0};
  auto target_of = [&](uint32_t i) { return int64_t(i) + 1 + insns[i].imm; };
  for (uint32_t i = 0; i < size; i += bpf::records(insns[i])) {
    if (bpf::is_ld_imm64(insns[i]) && i + 1 == size)
      return fail("insn-truncated", "an ld_imm64 without its second half", {.insn = i});
    if (!is_call_to(insns[i]) && !is_function_address(insns[i])) continue;
    int64_t target = target_of(i);
    if (target < 0 || target >= size)
      return fail("call-range", format("calls instruction {}, which does not exist", target), {.insn = i});
    starts.push_back(uint32_t(target));
  }
  std::ranges::sort(starts);
  starts.erase(std::ranges::unique(starts).begin(), starts.end());
  for (uint32_t i = 0; i < size; i += bpf::records(insns[i]))
    if (bpf::is_ld_imm64(insns[i]) && std::ranges::binary_search(starts, i + 1))
      return fail("call-range", "a call leads to the second half of this ld_imm64", {.insn = i});
  bpf::Program program;
  program.name = name;
  std::vector<bpf::SymbolId> function_symbols;
  for (size_t k = 0; k < starts.size(); ++k) {
    uint32_t end = k + 1 < starts.size() ? starts[k + 1] : size;
    bpf::Function fn{.name = k ? format("func{}", k) : "main", .section_insn = starts[k], .is_entry = k == 0};
    fn.insns.assign(insns.begin() + starts[k], insns.begin() + end);
    bpf::FunctionId id = program.functions.add(std::move(fn));
    function_symbols.push_back(program.symbols.add(
        {.kind = bpf::Symbol::Kind::kFunc, .name = program.functions[id].name, .function = id}));
  }
  std::map<std::tuple<int, int64_t, int>, bpf::SymbolId> interned;
  auto intern = [&](int kind, int64_t number, int off, bpf::Symbol symbol) {
    auto [it, is_new] = interned.try_emplace({kind, number, off});
    if (is_new) it->second = program.symbols.add(std::move(symbol));
    return it->second;
  };
  for (size_t k = 0; k < starts.size(); ++k) {
    bpf::Function& fn = program.functions[bpf::FunctionId{uint32_t(k)}];
    for (uint32_t i = 0; i < fn.insns.size(); i += bpf::records(fn.insns[i])) {
      bpf::Insn insn = fn.insns[i];
      bpf::SymbolId symbol;
      if (is_call_to(insn) || is_function_address(insn)) {
        size_t to =
            size_t(std::ranges::lower_bound(starts, uint32_t(target_of(starts[k] + i))) - starts.begin());
        symbol = function_symbols[to];
        if (is_function_address(insn)) program.functions[bpf::FunctionId{uint32_t(to)}].is_callback = true;
      } else if (insn.code == bpf::kCodeCall && insn.src() == bpf::kKfuncCall) {
        symbol =
            intern(100, insn.imm, insn.off,
                   {.kind = bpf::Symbol::Kind::kKfunc, .name = format("kfunc#{}:{}", insn.imm, insn.off)});
      } else if (bpf::is_ld_imm64(insn) && insn.src() && i + 1 < fn.insns.size()) {
        using Kind = bpf::Symbol::Kind;
        static constexpr std::pair<Kind, const char*> kNames[] = {{Kind::kOther, ""},
                                                                  {Kind::kMap, "map"},
                                                                  {Kind::kData, "map_value"},
                                                                  {Kind::kKsym, "btf_id"},
                                                                  {Kind::kFunc, "func"},
                                                                  {Kind::kMap, "map_idx"},
                                                                  {Kind::kData, "map_idx_value"}};
        auto [kind, word] =
            insn.src() < std::size(kNames) ? kNames[insn.src()] : std::pair{Kind::kOther, "pseudo"};
        symbol = intern(insn.src(), insn.imm, 0, {.kind = kind, .name = format("{}#{}", word, insn.imm)});
      }
      if (symbol) fn.attachments.push_back({i, symbol});
    }
  }
  return program;
}

Result<std::vector<bpf::Insn>> join_flat(const bpf::Program& program,
                                         const std::map<bpf::FunctionId, bpf::NewCode>& changed,
                                         std::vector<uint32_t>* offsets) {
  struct Part {
    std::span<const bpf::Insn> insns;
    std::span<const bpf::Attachment> attachments;
  };
  std::vector<Part> parts;
  for (uint32_t n = 0; n < program.functions.size(); ++n) {
    const bpf::Function& fn = program.functions[bpf::FunctionId{n}];
    auto it = changed.find(bpf::FunctionId{n});
    parts.push_back(it == changed.end() ? Part{fn.insns, fn.attachments}
                                        : Part{it->second.insns, it->second.attachments});
  }
  // Functions that nothing refers to any more are left out: the verifier refuses code that it cannot reach.
  std::vector<uint8_t> used(parts.size());
  std::vector<uint32_t> work{0};
  used[0] = 1;
  while (!work.empty()) {
    const Part& part = parts[work.back()];
    work.pop_back();
    for (const bpf::Attachment& a : part.attachments) {
      bpf::FunctionId to = program.symbols[a.symbol].function;
      if (to && !used[to.index]) used[to.index] = 1, work.push_back(to.index);
    }
  }
  std::vector<int64_t> start;
  int64_t at = 0;
  for (uint32_t n = 0; n < parts.size(); ++n) {
    if (!used[n]) parts[n] = {};
    start.push_back(at);
    at += int64_t(parts[n].insns.size());
    if (!offsets) continue;
    const bpf::Function& fn = program.functions[bpf::FunctionId{n}];
    auto it = changed.find(bpf::FunctionId{n});
    for (uint32_t i = 0; i < parts[n].insns.size(); ++i)
      offsets->push_back(fn.section_insn + (it == changed.end() ? i : it->second.origin[i]));
  }
  std::vector<bpf::Insn> out;
  out.reserve(size_t(at));
  for (size_t n = 0; n < parts.size(); ++n) {
    out.insert(out.end(), parts[n].insns.begin(), parts[n].insns.end());
    for (const bpf::Attachment& a : parts[n].attachments) {
      const bpf::Symbol& symbol = program.symbols[a.symbol];
      if (symbol.kind != bpf::Symbol::Kind::kFunc || !symbol.function) continue;
      out[size_t(start[n]) + a.insn].imm =
          checked_cast<int32_t>(start[symbol.function.index] - start[n] - a.insn - 1);
    }
  }
  return out;
}

}  // namespace epass::object
