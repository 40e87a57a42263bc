// `epass opt --check-kernel`: what this kernel accepted before, it must accept afterwards. Where it does not,
// the pass that is to blame is left out for the function that it spoils; at worst the function stays as it
// was.

#include <algorithm>

#include "base/format.h"
#include "driver/places.h"
#include "kernel/verify.h"
#include "tool/opt_report.h"
#include "tool/progress.h"

namespace epass::tool {

namespace {

using Verdicts = std::vector<kernel::Verdict>;

Result<Verdicts> ask(const driver::CompiledFile& file, Bytes bytes, const Ui& ui, std::string_view verb,
                     std::optional<bpf::FunctionId> only = {}) {
  std::vector<std::string> names;
  for (const driver::FunctionOutcome& out : file.compiled.functions) {
    const bpf::Function& fn = file.program().functions[out.id];
    if (out.selected && fn.is_entry && (!only || *only == out.id)) names.push_back(fn.name);
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

// Why `is` is worse than `was`, "" if it is not.
std::string why_worse(const kernel::Verdict* was, const kernel::Verdict* is, bool strict) {
  if (!was || was->accepted != std::optional(true)) return "";
  if (!is || is->accepted != std::optional(true))
    return "this kernel rejects the new code: " + (is ? is->reason : std::string("it does not find it"));
  if (!strict) return "";
  if (is->insn_processed * 4 > was->insn_processed * 5 && is->insn_processed > was->insn_processed + 32)
    return format("the verifier's work grows from {} to {} instructions", was->insn_processed,
                  is->insn_processed);
  if (is->xlated_bytes > was->xlated_bytes)
    return format("what the kernel keeps grows from {} to {} bytes", was->xlated_bytes, is->xlated_bytes);
  if (is->jited_bytes > was->jited_bytes)
    return format("the machine code grows from {} to {} bytes", was->jited_bytes, is->jited_bytes);
  return "";
}

Error kept_error(const std::string& reason) {
  Error kept{.message = reason, .code = "kernel-rejects"};
  kept.help = "please report it with the object; the output has the input's code there";
  return kept;
}

class KernelCheck {
 public:
  KernelCheck(driver::CompiledFile& file, const driver::Input& input, const driver::FileOptions& options,
              bool strict, const Ui& ui)
      : file_(file), input_(input), options_(options), strict_(strict), ui_(ui) {}

  Result<KernelReport> run() {
    auto before = ask(file_, input_.bytes, ui_, "verifying the input");
    if (!before) return fail(before.error());
    before_ = std::move(*before);
    // Pass by pass; if that does not help, all that the programs call; then everything.
    for (int round = 0;; ++round) {
      auto after = ask(file_, file_.bytes, ui_, "verifying the output");
      if (!after) return fail(after.error());
      after_ = std::move(*after);
      std::vector<std::string> names;
      std::string reason;
      const std::vector<bpf::FunctionId> bad = find_bad(names, reason);
      if (bad.empty()) break;
      if (round == 3)
        return fail("kernel-unsteady", "the kernel now rejects what it accepted before: the input itself");
      auto done = round == 0 ? back_off(bad) : keep(names, reason, round == 2);
      if (!done) return fail(done.error());
    }
    return report();
  }

 private:
  std::vector<bpf::FunctionId> find_bad(std::vector<std::string>& names, std::string& reason) const {
    std::vector<bpf::FunctionId> bad;
    for (const driver::FunctionOutcome& out : file_.compiled.functions) {
      const bpf::Function& fn = file_.program().functions[out.id];
      if (!out.selected || !fn.is_entry) continue;
      const std::string why = why_worse(find(before_, fn), find(after_, fn), strict_);
      if (why.empty()) continue;
      bad.push_back(out.id), names.push_back(fn.name), reason = why;
    }
    return bad;
  }

  Result<void> back_off(const std::vector<bpf::FunctionId>& bad) {
    const driver::Judge judge = [&](const driver::CompiledFile& file,
                                    bpf::FunctionId entry) -> Result<std::string> {
      const bpf::Function& fn = file.program().functions[entry];
      auto verdicts = ask(file, file.bytes, ui_, "looking for the pass to blame", entry);
      if (!verdicts) return fail(verdicts.error());
      return why_worse(find(before_, fn), find(*verdicts, fn), strict_);
    };
    auto left_out = driver::back_off(file_, input_, options_, bad, judge);
    if (!left_out) return fail(left_out.error());
    left_out_ = std::move(*left_out);
    for (const driver::LeftOut& l : left_out_) {
      if (!l.pass.empty()) continue;
      driver::FunctionOutcome& out = file_.compiled.functions[l.function.index];
      out.kept = kept_error(l.reason);
      out.kept->where.section = file_.program().functions[l.function].section;
      out.kept->where.function = file_.program().functions[l.function].name;
    }
    return {};
  }

  Result<void> keep(const std::vector<std::string>& names, const std::string& reason, bool everything) {
    auto which = everything
                     ? Result<std::vector<bool>>(std::vector<bool>(file_.program().functions.size(), true))
                     : driver::select_functions(file_.program(), names);
    if (!which) return fail(which.error());
    return driver::keep_functions(file_, *which, kept_error(reason), options_);
  }

  KernelReport report() const {
    KernelReport report;
    for (const driver::FunctionOutcome& out : file_.compiled.functions) {
      const bpf::Function& fn = file_.program().functions[out.id];
      const kernel::Verdict* was = fn.is_entry ? find(before_, fn) : nullptr;
      const kernel::Verdict* is = fn.is_entry ? find(after_, fn) : nullptr;
      std::string text = out.selected && fn.is_entry ? "not judged" : "";
      if (was && is && was->accepted) {
        const bool now = is->accepted == std::optional(true);
        if (!*was->accepted)
          text = now ? "ok, the input not" : "rejected as before";
        else
          text = out.kept && out.kept->code == "kernel-rejects" ? "as input" : "ok";
      }
      report.words.push_back(text);
    }
    for (const driver::LeftOut& l : left_out_)
      if (!l.pass.empty() && file_.compiled.functions[l.function.index].code) report.left_out.push_back(l);
    return report;
  }

  driver::CompiledFile& file_;
  const driver::Input& input_;
  const driver::FileOptions& options_;
  const bool strict_;
  const Ui& ui_;
  Verdicts before_ = {}, after_ = {};
  std::vector<driver::LeftOut> left_out_ = {};
};

}  // namespace

Result<KernelReport> check_kernel(driver::CompiledFile& file, const driver::Input& input,
                                  const driver::FileOptions& options, bool strict, const Ui& ui) {
  if (std::string why = kernel::why_no_bpf(); !why.empty()) {
    Error error{.message = "this user may not load BPF programs", .code = "kernel-permission"};
    error.notes.push_back(why);
    error.help = "run it as root, or leave out `--check-kernel`: `epass opt` needs no kernel";
    return fail(std::move(error));
  }
  return KernelCheck(file, input, options, strict, ui).run();
}

}  // namespace epass::tool
