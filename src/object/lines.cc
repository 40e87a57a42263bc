// Carries line records over to new code.

#include "object/lines.h"

#include <algorithm>
#include <set>

namespace epass::object {
namespace {

// New instructions in a row that come from under one record.
struct Run {
  const ExtRecord* line = nullptr;
  uint32_t begin = 0;
  bool only_copies = true;  // of instructions that stand further up, too
};

std::vector<Run> runs_of(const std::vector<OldLines>& old, bpf::FunctionId own, const bpf::NewCode& code) {
  std::vector<Run> runs;
  std::set<uint32_t> seen;
  for (uint32_t n = 0; n < code.insns.size(); n += bpf::records(code.insns[n])) {
    // What comes from nowhere belongs to what stands before it.
    bpf::OriginPlace from = bpf::place_of_origin(own, code.inlined, code.origin[n]);
    const bool from_nowhere = from.insn >= old[from.function.index].size;
    if (n && from_nowhere) continue;
    if (from_nowhere) from = {own, 0};
    const auto& lines = old[from.function.index].records;
    auto r = std::ranges::upper_bound(lines, from.insn, {}, &ExtRecord::offset);
    if (r == lines.begin() && (n || lines.empty())) continue;
    if (r == lines.begin()) ++r;  // the kernel wants a line for the first instruction
    const ExtRecord* line = &*std::prev(r);
    if (runs.empty() || runs.back().line != line) runs.push_back({.line = line, .begin = n});
    runs.back().only_copies &= !seen.insert(code.origin[n]).second;
  }
  return runs;
}

// Blocks added for edges come from branches further up. Records for such copies are the first to go where
// there would be more records than before; they then count to the line before them.
void drop_copies(std::vector<Run>& runs, size_t most) {
  size_t excess = runs.size() > most ? runs.size() - most : 0;
  for (size_t n = runs.size(); n-- > 1 && excess;)
    if (runs[n].only_copies) runs[n].line = nullptr, --excess;
  std::erase_if(runs, [](const Run& run) { return !run.line; });
  // What stood around copies may be one run now.
  auto rest = std::ranges::unique(runs, {}, &Run::line);
  runs.erase(rest.begin(), rest.end());
}

}  // namespace

std::vector<ExtRecord> lines_of(const std::vector<OldLines>& old, bpf::FunctionId own,
                                const bpf::NewCode& code, uint32_t place) {
  std::vector<Run> runs = runs_of(old, own, code);
  size_t most = old[own.index].records.size();
  for (const bpf::Inlined& from : code.inlined)
    most += old[from.function.index].records.size() * size_t(from.copies);
  drop_copies(runs, most);
  std::vector<ExtRecord> out;
  out.reserve(runs.size());
  for (const Run& run : runs) {
    out.push_back(*run.line);
    out.back().offset = (place + run.begin) * 8;
  }
  return out;
}

}  // namespace epass::object
