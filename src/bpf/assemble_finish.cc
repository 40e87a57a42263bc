// The end of an assembly: labels become distances, what is left becomes references to symbols.

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/format.h"
#include "bpf/assembler.h"
#include "bpf/contracts.h"

namespace epass::bpf {

namespace {

Insn insn_at(const std::vector<uint8_t>& bytes, uint64_t offset) {
  Insn insn;
  std::memcpy(static_cast<void*>(&insn), bytes.data() + offset, sizeof insn);
  return insn;
}

void put(std::vector<uint8_t>& bytes, uint64_t offset, Insn insn) {
  std::memcpy(bytes.data() + offset, &insn, sizeof insn);
}

}  // namespace

// The end of a uBPF program may be called `exit` without a label.
const Assembler::Label* Assembler::find_label(const Fixup& fixup) const {
  auto found = labels_.find(fixup.name);
  return found == labels_.end() ? nullptr : &found->second;
}

std::unexpected<Error> Assembler::unknown_label(const Fixup& fixup) const {
  Error error{.message = format("there is no label `{}`", fixup.name), .code = "asm-name"};
  error.where.line = fixup.line, error.where.column = fixup.column;
  for (const auto& [name, label] : labels_) {
    auto lower = [](std::string text) {
      for (char& letter : text)
        if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter + 32);
      return text;
    };
    if (lower(name) == lower(fixup.name)) error.help = format("did you mean `{}`?", name);
  }
  if (error.help.empty()) error.help = format("`{}:` in a line of its own defines it", fixup.name);
  return fail(std::move(error));
}

Result<void> Assembler::resolve() {
  for (const Fixup& fixup : fixups_)
    if (auto done = resolve(fixup); !done) return done;
  make_symbols();
  return {};
}

Result<void> Assembler::resolve(const Fixup& fixup) {
  std::vector<uint8_t>& bytes = out_.sections[fixup.section].bytes;
  const Label* label = find_label(fixup);
  auto failed = [&](std::string code, std::string message, std::string help = "") {
    Error error{.message = std::move(message), .code = std::move(code)};
    error.where.line = fixup.line, error.where.column = fixup.column;
    error.help = std::move(help);
    return fail(std::move(error));
  };
  auto refer = [&](Assembly::Reference::Kind kind, uint32_t to) {
    out_.references.push_back({kind, fixup.section, fixup.offset, to, fixup.line, fixup.column});
  };
  const bool here = label && label->section == fixup.section;
  using Kind = Fixup::Kind;
  if (fixup.kind == Kind::kData) {
    int64_t value = fixup.addend;
    if (!fixup.minus.empty()) {
      auto minus = labels_.find(fixup.minus);
      if (!label) return unknown_label(fixup);
      if (minus == labels_.end() || minus->second.section != label->section)
        return failed("asm-name", format("`{}` and `{}` are not in one section", fixup.name, fixup.minus));
      value += static_cast<int64_t>(label->offset - minus->second.offset);
    } else {
      if (fixup.size < 4) return failed("asm-range", "an address has 4 or 8 bytes", "`.long` or `.quad`");
      const bool local = label && !traits_.contains(fixup.name);
      if (local) value += static_cast<int64_t>(label->offset);
      using Reference = Assembly::Reference::Kind;
      refer(fixup.size == 8 ? Reference::kData64 : Reference::kData32,
            local ? symbol(format("section {}", label->section)) : symbol(fixup.name));
    }
    for (uint32_t n = 0; n < fixup.size; ++n)
      bytes[fixup.offset + n] = static_cast<uint8_t>(static_cast<uint64_t>(value) >> 8 * n);
    return {};
  }
  Insn insn = insn_at(bytes, fixup.offset);
  if (fixup.kind == Kind::kJump || fixup.kind == Kind::kLongJump) {
    int64_t to = here ? static_cast<int64_t>(label->offset) : -1;
    if (!label && fixup.name == "exit") {
      // uBPF programs call their first `exit` so without a label.
      for (size_t at = 0; to < 0 && at + 8 <= bytes.size(); at += 8 * records(insn_at(bytes, at)))
        if (bytes[at] == kCodeExit) to = static_cast<int64_t>(at);
    }
    if (to < 0 && !label) return unknown_label(fixup);
    if (to < 0)
      return failed("asm-name", format("the label `{}` is in another section", fixup.name),
                    "jumps stay in their section; `call` may leave it");
    const int64_t distance = (to - static_cast<int64_t>(fixup.offset)) / 8 - 1;
    if (fixup.kind == Kind::kLongJump) {
      insn.imm = static_cast<int32_t>(distance);
    } else {
      if (distance != static_cast<int16_t>(distance))
        return failed("asm-range", format("`{}` is {} instructions away", fixup.name, distance),
                      "jumps reach 32,767 instructions, `gotol` and `ja32` farther");
      insn.off = static_cast<int16_t>(distance);
    }
    put(bytes, fixup.offset, insn);
    return {};
  }
  if (fixup.kind == Kind::kCall) {
    if (here) {
      called_.insert(fixup.name);
      insn.imm = static_cast<int32_t>(
          (static_cast<int64_t>(label->offset) - static_cast<int64_t>(fixup.offset)) / 8 - 1);
    } else if (const HelperContract* known = helper_by_name(fixup.name); known && !label) {
      insn.set_src(kHelperCall), insn.imm = known->id;
    } else {
      if (label) called_.insert(fixup.name);
      refer(Assembly::Reference::Kind::kCall, symbol(fixup.name));
    }
    put(bytes, fixup.offset, insn);
    return {};
  }
  const bool local = label && !traits_.contains(fixup.name) && !out_.sections[label->section].is_code;
  if (local) {
    insn.imm = static_cast<int32_t>(static_cast<int64_t>(label->offset) + fixup.addend);
    put(bytes, fixup.offset, insn);
  } else if (label && out_.sections[label->section].is_code) {
    called_.insert(fixup.name);
  }
  refer(Assembly::Reference::Kind::kLoad,
        local ? symbol(format("section {}", label->section)) : symbol(fixup.name));
  return {};
}

// The symbol of that name; "section N" is the section itself.
uint32_t Assembler::symbol(const std::string& name) {
  auto [it, is_new] = symbols_.try_emplace(name, static_cast<uint32_t>(out_.symbols.size()));
  if (!is_new) return it->second;
  Assembly::Symbol fresh{.name = name};
  if (name.starts_with("section ")) {
    fresh.name.clear();
    fresh.section = static_cast<int32_t>(std::stoul(name.substr(8)));
  } else if (auto label = labels_.find(name); label != labels_.end()) {
    fresh.section = static_cast<int32_t>(label->second.section), fresh.offset = label->second.offset;
  }
  out_.symbols.push_back(std::move(fresh));
  return it->second;
}

void Assembler::make_symbols() {
  for (const auto& [name, traits] : traits_)
    if (labels_.contains(name)) symbol(name);
  for (const std::string& name : called_) symbol(name);
  for (const auto& [name, label] : labels_) {
    const Assembly::Section& s = out_.sections[label.section];
    if (!s.is_code && s.allocated && !name.starts_with(".L")) symbol(name);
  }
  for (uint32_t n = 0; n < out_.sections.size(); ++n) {
    // What stands at the start of a code section is a function, named or not.
    const Assembly::Section& s = out_.sections[n];
    if (!s.is_code || s.bytes.empty()) continue;
    auto starts = [&](const Assembly::Symbol& symbol) {
      return symbol.section == static_cast<int32_t>(n) && symbol.offset == 0 && !symbol.name.empty();
    };
    if (std::ranges::any_of(out_.symbols, starts)) continue;
    std::string name = labels_.contains("main") || symbols_.contains("main") ? format("main{}", n) : "main";
    for (const auto& [known, label] : labels_)
      if (label.section == n && label.offset == 0) name = known;
    labels_.try_emplace(name, Label{.section = n});
    called_.insert(name);
    symbol(name);
    traits_[name].is_global = true;
  }
  for (Assembly::Symbol& s : out_.symbols) {
    auto found = traits_.find(s.name);
    const bool defined = s.section >= 0;
    if (!defined) s.is_global = true;
    s.is_function = called_.contains(s.name) && defined;
    if (found == traits_.end()) continue;
    const Traits& t = found->second;
    s.is_global |= t.is_global, s.is_weak = t.is_weak, s.is_hidden = t.is_hidden;
    s.is_function |= t.is_function, s.is_object = t.is_object;
    // Text written by hand seldom has `.type`.
    if (defined && s.is_global && !s.is_object && out_.sections[static_cast<size_t>(s.section)].is_code)
      s.is_function = true;
    auto to = labels_.find(t.size_to), from = labels_.find(t.size_from);
    if (t.size)
      s.size = *t.size;
    else if (to != labels_.end() && from != labels_.end())
      s.size = to->second.offset - from->second.offset;
  }
  // A function without a size reaches to the next one.
  std::set<std::pair<int32_t, uint64_t>> starts;
  for (const Assembly::Symbol& s : out_.symbols)
    if (s.is_function) starts.emplace(s.section, s.offset);
  for (Assembly::Symbol& s : out_.symbols) {
    if (s.section < 0 || !s.is_function || s.size) continue;
    auto next = starts.upper_bound({s.section, s.offset});
    const bool last = next == starts.end() || next->first != s.section;
    s.size = (last ? out_.sections[static_cast<size_t>(s.section)].bytes.size() : next->second) - s.offset;
  }
}

Result<std::vector<Insn>> flat_code(const Assembly& assembly) {
  const Assembly::Section* code = nullptr;
  for (const Assembly::Section& s : assembly.sections) {
    if (!s.is_code || s.bytes.empty()) continue;
    if (code) {
      Error error{.message = format("instructions in two sections, `{}` and `{}`", code->name, s.name),
                  .code = "emit"};
      error.help = "`--emit elf` keeps them apart";
      return fail(std::move(error));
    }
    code = &s;
  }
  if (!code) return fail("input-empty", "the text has no instructions");
  if (code->bytes.size() % 8)
    return fail("elf-code", format("`{}` is no whole number of instructions", code->name));
  std::vector<Insn> insns(code->bytes.size() / 8);
  if (!insns.empty()) std::memcpy(static_cast<void*>(insns.data()), code->bytes.data(), code->bytes.size());
  for (const Assembly::Reference& r : assembly.references) {
    if (&assembly.sections[r.section] != code) continue;
    const Assembly::Symbol& s = assembly.symbols[r.symbol];
    const bool here = s.section >= 0 && &assembly.sections[static_cast<size_t>(s.section)] == code;
    if (r.kind == Assembly::Reference::Kind::kLoad && here) {
      Insn& insn = insns[r.offset / 8];
      insn.set_src(kFuncPtr);
      insn.imm =
          static_cast<int32_t>(static_cast<int64_t>(s.offset / 8) - static_cast<int64_t>(r.offset / 8) - 1);
      continue;
    }
    Error error{.message = format("`{}` is {}", s.name.empty() ? "a section" : s.name,
                                  s.section < 0 ? "not defined" : "not part of the code"),
                .code = "asm-name"};
    error.where.line = r.line, error.where.column = r.column;
    error.help = "bare code has no symbols; `--emit elf` makes an object for a loader";
    return fail(std::move(error));
  }
  return insns;
}

}  // namespace epass::bpf
