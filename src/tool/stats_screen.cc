// The table and the JSON lines of `epass stats`.

#include <algorithm>
#include <cmath>

#include "base/format.h"
#include "tool/json.h"
#include "tool/stats.h"
#include "tool/text_table.h"

namespace epass::tool {

namespace {

bool lost(const StatsRow& row) {
  return row.a.accepted == std::optional(true) && row.b.accepted == std::optional(false);
}

std::string change_text(double before, double after) {
  if (before == 0) return after == 0 ? "0.0 %" : "-";
  const std::string text = format("{:+.1f} %", (after / before - 1) * 100);
  return text == "+0.0 %" || text == "-0.0 %" ? "0.0 %" : text;
}

// "44 -> 41", "44 -> 47 !" where that is worse.
std::string cell(const StatsRow& row, size_t metric, bool has_b) {
  const auto &a = row.a.values[metric], &b = row.b.values[metric];
  const std::string first = a ? number_text(*a, metric) : "-";
  if (!has_b) return first;
  return format("{} -> {:>4}{}", first, b ? number_text(*b, metric) : "-", is_worse(row, metric) ? "!" : " ");
}

std::string accepted_line(const Stats& stats) {
  size_t before = 0, after = 0, not_judged = 0, worse = 0;
  std::string names;
  for (const StatsRow& row : stats.rows) {
    before += row.a.accepted == std::optional(true), after += row.b.accepted == std::optional(true);
    not_judged += !row.a.accepted;
    if (!lost(row)) continue;
    ++worse;
    names += format("  lost: {}: {}\n", printable(row.program), printable(row.b.reason));
  }
  std::string text = format("accepted: {}", before);
  if (!stats.b.empty())
    text += format(" before, {} after; {}", after, worse ? format("LOST: {}", worse) : "none lost");
  if (not_judged) text += format("; {} not judged", not_judged);
  return text + "\n" + names;
}

}  // namespace

Sum sum_of(const Stats& stats, size_t metric) {
  Sum sum;
  double ratios = 0;
  size_t compared = 0;
  for (const StatsRow& row : stats.rows) {
    const auto &a = row.a.values[metric], &b = row.b.values[metric];
    if (!a || (!stats.b.empty() && !b)) continue;
    ++sum.programs;
    sum.a += *a, sum.b += b.value_or(0);
    if (*a > 0 && b) ratios += *b / *a, ++compared;
  }
  if (compared) sum.mean = ratios / double(compared);
  return sum;
}

bool is_worse(const StatsRow& row, size_t metric) {
  const auto &a = row.a.values[metric], &b = row.b.values[metric];
  if (!a || !b) return false;
  return *b > *a * (metric == kRunTime ? 1 + row.run_noise : 1);
}

std::string number_text(double value, size_t metric) {
  if (metric == kRunTime) return format("{:.1f}", value);
  return with_commas(uint64_t(std::llround(value / kMetrics[metric].unit)));
}

std::string stats_screen(const Stats& stats, const Ui& ui) {
  const bool has_b = !stats.b.empty();
  std::string text = has_b ? format("a = {}, b = {}; ", printable(stats.a), printable(stats.b))
                           : format("{}; ", printable(stats.a));
  text += stats.kernel.empty() ? format("sizes only: {}\n", stats.why_no_kernel)
                               : format("verifier and JIT: Linux {}\n", stats.kernel);
  std::vector<TextTable::Column> columns = {{"program"}};
  std::vector<size_t> shown;
  for (size_t m = 0; m < kMetricCount; ++m)
    if (sum_of(stats, m).programs) shown.push_back(m), columns.push_back({kMetrics[m].heading, true});
  TextTable table(columns);
  for (const StatsRow& row : stats.rows) {
    std::vector<std::string> cells = {printable(row.program)};
    for (size_t m : shown) cells.push_back(cell(row, m, has_b));
    table.row(std::move(cells));
  }
  auto line = [&](const std::string& name, auto value) {
    std::vector<std::string> cells = {name};
    for (size_t m : shown) cells.push_back(value(sum_of(stats, m), m));
    table.row(std::move(cells));
  };
  if (stats.rows.size() > 1)
    line("total", [&](const Sum& s, size_t m) {
      return has_b ? format("{} -> {:>4} ", number_text(s.a, m), number_text(s.b, m)) : number_text(s.a, m);
    });
  if (has_b && !stats.rows.empty()) {
    line("change", [](const Sum& s, size_t) { return change_text(s.a, s.b) + " "; });
    line("mean over programs", [](const Sum& s, size_t) { return change_text(1, s.mean) + " "; });
  }
  text += table.text(ui.width());
  if (!stats.kernel.empty()) text += accepted_line(stats);
  return text;
}

std::string stats_json(const Stats& stats) {
  std::string text;
  for (const StatsRow& row : stats.rows) {
    JsonLine line = program_line(stats.a, row.section, row.program, row.type);
    line.text_or_null("object_b", stats.b);
    line.boolean_or_null("accepted_a", row.a.accepted).boolean_or_null("accepted_b", row.b.accepted);
    line.text_or_null("reason_a", row.a.reason).text_or_null("reason_b", row.b.reason);
    for (size_t m = 0; m < kMetricCount; ++m)
      for (const auto& [suffix, figures] : {std::pair("_a", &row.a), std::pair("_b", &row.b)}) {
        const auto& value = figures->values[m];
        const std::string name = std::string(kMetrics[m].name) + suffix;
        if (value && m == kRunTime)
          line.raw(name, format("{:.2f}", *value));
        else
          line.number_or_null(name, value ? std::optional(int64_t(std::llround(*value))) : std::nullopt);
      }
    text += line.line();
  }
  return text;
}

}  // namespace epass::tool
