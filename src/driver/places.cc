// Translates the kernel's instruction numbers.

#include "driver/places.h"

#include <vector>

namespace epass::driver {

std::optional<CodePlace> place_of_loaded(const bpf::Program& program, bpf::FunctionId entry, uint32_t insn) {
  struct Open {
    bpf::FunctionId function;
    size_t next_attachment;
  };
  std::vector<bool> appended(program.functions.size(), false);
  std::vector<Open> stack;
  uint64_t size = 0;
  std::optional<CodePlace> place;
  auto append = [&](bpf::FunctionId id) {
    const uint64_t count = program.functions[id].insns.size();
    if (insn >= size && insn < size + count) place = CodePlace{id, static_cast<uint32_t>(insn - size)};
    size += count;
    appended[id.index] = true;
    stack.push_back({id, 0});
  };
  append(entry);
  while (!stack.empty() && !place) {
    Open& top = stack.back();
    const std::vector<bpf::Attachment>& attachments = program.functions[top.function].attachments;
    if (top.next_attachment == attachments.size()) {
      stack.pop_back();
      continue;
    }
    const bpf::Symbol& symbol = program.symbols[attachments[top.next_attachment++].symbol];
    if (symbol.kind == bpf::Symbol::Kind::kFunc && symbol.function && !appended[symbol.function.index])
      append(symbol.function);
  }
  return place;
}

std::optional<bpf::FunctionId> find_entry(const bpf::Program& program, std::string_view section,
                                          std::string_view name) {
  for (uint32_t i = 0; i < program.functions.size(); ++i) {
    const bpf::Function& fn = program.functions[bpf::FunctionId{i}];
    if (fn.is_entry && fn.name == name && (section.empty() || fn.section == section))
      return bpf::FunctionId{i};
  }
  return std::nullopt;
}

}  // namespace epass::driver
