// Source lines for diagnostics, from the BTF of the object.

#include "tool/source_place.h"

#include <algorithm>

#include "driver/listing.h"

namespace epass::tool {

namespace {

// The text of a line at a small indentation: tabs would be escaped.
std::string without_tabs(std::string_view text) {
  const size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
  std::string out(begin ? 2 : 0, ' ');
  for (char c : text.substr(begin)) out += c == '\t' ? ' ' : c;
  return out;
}

}  // namespace

void show_place(Diagnostic& diagnostic, const driver::CodeFile& file, bpf::FunctionId id, uint32_t insn) {
  const bpf::Function& fn = file.program().functions[id];
  Place& where = diagnostic.error.where;
  where.object = file.name;
  where.section = fn.section;
  where.function = fn.name;
  where.insn = insn;
  diagnostic.insn_text = driver::insn_text(file, id, insn);
  if (!file.object) return;
  for (const object::SourceLine& line : file.object->source_lines(id)) {
    if (line.insn > insn) break;
    if (line.line == 0) continue;
    diagnostic.file = line.file;
    diagnostic.file_line = line.line;
    diagnostic.file_column = line.column;
    diagnostic.source = without_tabs(line.text);
  }
}

}  // namespace epass::tool
