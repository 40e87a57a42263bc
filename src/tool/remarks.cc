// The lines of `epass opt --remarks`: which pass did what to which instruction of the input, what it did not
// do, and why.

#include <algorithm>

#include "base/format.h"
#include "driver/listing.h"
#include "tool/json.h"
#include "tool/opt_report.h"
#include "tool/source_place.h"

namespace epass::tool {

namespace {

// The function that the remark is about, if its new code was taken.
const driver::FunctionOutcome* outcome_of(const driver::CompiledFile& file, const driver::Remark& remark) {
  for (const driver::FunctionOutcome& out : file.compiled.functions) {
    const bpf::Function& fn = file.program().functions[out.id];
    if (fn.name == remark.function && fn.section == remark.section) return out.kept ? nullptr : &out;
  }
  return nullptr;
}

}  // namespace

std::string remark_lines(const OptReport& report, const std::vector<std::string>& passes) {
  constexpr std::string_view kKinds[] = {"passed", "missed", "analysis"};
  std::string text;
  for (const driver::Remark& remark : report.file.passes.remarks) {
    if (!passes.empty() && std::ranges::find(passes, remark.pass) == passes.end()) continue;
    const driver::FunctionOutcome* out = outcome_of(report.file, remark);
    if (!out) continue;
    const bpf::FunctionId source = remark.copied_from ? remark.copied_from : out->id;
    const bpf::Function& fn = report.file.program().functions[out->id];
    const bpf::Function& from = report.file.program().functions[source];
    Diagnostic place;
    if (remark.insn < from.insns.size()) show_place(place, report.file.code, source, remark.insn);
    JsonLine line = program_line(report.file.code.name, fn.section, fn.name, fn.type);
    line.text("pass", remark.pass).text("kind", kKinds[remark.kind]);
    line.text("what", remark.kind ? "unchanged" : remark.to.empty() ? "removed" : "changed");
    line.number("insn", remark.insn).text_or_null("text", place.insn_text);
    line.text_or_null("inlined", remark.copied_from ? from.name : "");
    line.text("from", remark.from).text_or_null("to", remark.to);
    line.text_or_null("reason", remark.reason).text_or_null("file", place.file);
    line.number_or_null("line", place.file_line < 0 ? std::nullopt : std::optional(place.file_line));
    text += line.line();
  }
  return text;
}

}  // namespace epass::tool
