// `epass opt --check-kernel`: what this kernel accepted before, it must accept afterwards. Where it does not,
// the program stays as it was.

#include <algorithm>

#include "base/format.h"
#include "driver/places.h"
#include "kernel/verify.h"
#include "tool/opt_report.h"
#include "tool/progress.h"

namespace epass::tool {

namespace {

using Verdicts = std::vector<kernel::Verdict>;

Result<Verdicts> ask(const driver::CompiledFile& file, Bytes bytes, const Ui& ui, std::string_view verb) {
  std::vector<std::string> names;
  for (const driver::FunctionOutcome& out : file.compiled.functions) {
    const bpf::Function& fn = file.program().functions[out.id];
    if (out.selected && fn.is_entry) names.push_back(fn.name);
  }
  Progress progress(ui, verb, names.size());
  kernel::VerifyOptions options;
  options.wanted = [&](const std::string& name) { return std::ranges::find(names, name) != names.end(); };
  options.progress = [&](const kernel::Verdict& v) { progress.step(v.program); };
  return kernel::verify_object(bytes, file.code.name, options);
}

const kernel::Verdict* find(const Verdicts& verdicts, const bpf::Function& fn) {
  auto found = std::ranges::find_if(
      verdicts, [&](const kernel::Verdict& v) { return v.section == fn.section && v.program == fn.name; });
  return found == verdicts.end() ? nullptr : &*found;
}

}  // namespace

Result<std::vector<std::string>> check_kernel(driver::CompiledFile& file, Bytes input,
                                              const driver::FileOptions& options, const Ui& ui) {
  if (std::string why = kernel::why_no_bpf(); !why.empty()) {
    Error error{.message = "this user may not load BPF programs", .code = "kernel-permission"};
    error.notes.push_back(why);
    error.help = "run it as root, or leave out `--check-kernel`: `epass opt` needs no kernel";
    return fail(std::move(error));
  }
  auto before = ask(file, input, ui, "verifying the input");
  if (!before) return fail(before.error());
  std::vector<std::string> column(file.program().functions.size());
  // First what was lost, with the functions it calls; if that does not help, everything.
  for (int round = 0; round < 3; ++round) {
    auto after = ask(file, file.bytes, ui, "verifying the output");
    if (!after) return fail(after.error());
    std::vector<std::string> lost;
    std::string reason;
    for (const driver::FunctionOutcome& out : file.compiled.functions) {
      const bpf::Function& fn = file.program().functions[out.id];
      const kernel::Verdict* was = fn.is_entry ? find(*before, fn) : nullptr;
      const kernel::Verdict* is = fn.is_entry ? find(*after, fn) : nullptr;
      std::string& text = column[out.id.index];
      if (!was || !is || !was->accepted) {
        text = out.selected && fn.is_entry ? "not judged" : "";
      } else if (!*was->accepted) {
        text = is->accepted == std::optional(true) ? "ok, the input not" : "rejected as before";
      } else if (is->accepted == std::optional(true)) {
        text = out.kept && out.kept->code == "kernel-rejects" ? "as input" : "ok";
      } else {
        lost.push_back(fn.name);
        reason = is->reason;
      }
    }
    if (lost.empty()) break;
    if (round == 2)
      return fail("kernel-unsteady", "the kernel now rejects what it accepted before: the input itself");
    auto which = round == 0 ? driver::select_functions(file.program(), lost)
                            : Result<std::vector<bool>>(std::vector<bool>(column.size(), true));
    if (!which) return fail(which.error());
    Error kept{.message = format("this kernel rejects the new code: {}", reason), .code = "kernel-rejects"};
    kept.help = "please report it with the object; the output has the input's code there";
    if (auto done = driver::keep_functions(file, *which, kept, options); !done) return fail(done.error());
  }
  return column;
}

}  // namespace epass::tool
