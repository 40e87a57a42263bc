// `epass passes`: what can be done to a program.

#include <algorithm>

#include "base/format.h"
#include "passes/registry.h"
#include "tool/command.h"
#include "tool/json.h"
#include "tool/pass_list.h"

namespace epass::tool {

namespace {

std::string levels_or_dash(const PassInfo& pass) {
  return pass.levels.empty() ? "-" : std::string(pass.levels);
}

std::string table() {
  std::vector<const PassInfo*> passes;
  size_t name_width = 0, levels_width = 0;
  for (const PassInfo& pass : all_passes()) {
    passes.push_back(&pass);
    name_width = std::max(name_width, pass.name.size());
    levels_width = std::max(levels_width, levels_or_dash(pass).size());
  }
  // What a level runs first, then the passes for developers.
  std::ranges::stable_partition(passes, [](const PassInfo* pass) { return !pass->levels.empty(); });
  std::string text;
  for (const PassInfo* pass : passes) {
    text += format("  {:<{}}   {:<{}}   {}", pass->name, name_width, levels_or_dash(*pass), levels_width,
                   pass->summary);
    if (!pass->options.empty()) text += format(";   {}", pass->options);
    text += "\n";
  }
  text += "`epass help PASS`: its options.  `epass passes -O1`: the pipeline in order.\n";
  return text;
}

std::string json_lines() {
  std::string text;
  for (const PassInfo& pass : all_passes()) {
    std::vector<std::string> levels;
    for (std::string_view rest = pass.levels; !rest.empty();) {
      const size_t end = std::min(rest.find(' '), rest.size());
      levels.emplace_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    JsonLine line;
    line.number("schema", 1).text("pass", pass.name).text("summary", pass.summary).texts("levels", levels);
    line.text_or_null("options", pass.options).text("over", pass.run_on_module ? "program" : "function");
    text += line.line();
  }
  return text;
}

}  // namespace

std::vector<std::string> pass_names() {
  std::vector<std::string> names;
  for (const PassInfo& pass : all_passes()) names.emplace_back(pass.name);
  return names;
}

std::string help_on_pass(std::string_view name) {
  for (const PassInfo& pass : all_passes()) {
    if (pass.name != name) continue;
    std::string text = format("{}: {}\n", pass.name, pass.summary);
    text += format("  options   {}\n", pass.options.empty() ? "none" : pass.options);
    text += format("  run by    {}\n", pass.levels.empty() ? "no level: name it in --passes" : pass.levels);
    text += format("  alone     epass opt IN --passes '{}'\n", pass.name);
    return text;
  }
  return "";
}

int run_passes(Job& job) {
  if (!job.arguments.inputs.empty())
    return job.fail(
        usage_error("`epass passes` takes no input", "`epass help PASS` tells about one pass").error());
  if (job.arguments.has("O")) {
    const std::string levels[] = {"0", "1", "2", "3", "s"};
    auto level = parse_word("-O", job.arguments.get("O"), levels);
    if (!level) return job.fail(level.error());
    const std::string_view pipeline = level_pipeline("O" + levels[*level]);
    if (job.arguments.has("json")) {
      JsonLine line;
      line.number("schema", 1).text("level", "O" + levels[*level]).text("pipeline", pipeline);
      auto written = job.write_json(line.line());
      return written ? static_cast<int>(kDone) : job.fail(written.error());
    }
    job.ui.output(format("{}\n", pipeline.empty() ? "(none: lift and lower alone)" : pipeline));
    if (*level == 3)
      job.ui.output("the same as -O2; more sequences are tried after them (docs/cost-model.md)\n");
    return kDone;
  }
  if (!job.arguments.has("json")) {
    job.ui.output(table());
    return kDone;
  }
  auto written = job.write_json(json_lines());
  return written ? static_cast<int>(kDone) : job.fail(written.error());
}

}  // namespace epass::tool
