// `epass stats --html`: one page with bars, with nothing outside of it.

#include <algorithm>

#include "base/format.h"
#include "tool/stats.h"

namespace epass::tool {

namespace {

constexpr std::string_view kStyle = R"(<style>
:root { color-scheme: light dark; --a: #9aa5b1; --b: #2f7ed8; --worse: #c2410c; --line: #8884; }
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em; }
h1 { font-size: 1.3em; } h2 { font-size: 1.1em; margin: 2em 0 .3em; } p { margin: .3em 0; }
table { border-collapse: collapse; width: 100%; }
td, th { padding: .15em .6em; border-bottom: 1px solid var(--line); text-align: left; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.bars { width: 50%; } .bar { height: .55em; margin: .1em 0; border-radius: 2px; min-width: 1px; }
.a { background: var(--a); } .b { background: var(--b); } .worse { background: var(--worse); }
.up { color: var(--worse); } tr.total td { font-weight: 600; border-top: 2px solid var(--line); }
.key { display: inline-block; width: 1em; height: .6em; margin: 0 .3em 0 1em; border-radius: 2px; }
</style>
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : printable(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string change(double before, double after) {
  if (before == 0) return "";
  const std::string text = format("{:+.1f} %", (after / before - 1) * 100);
  return text == "+0.0 %" || text == "-0.0 %" ? "0.0 %" : text;
}

std::string bar(const char* kind, double value, double largest) {
  return format("<div class=\"bar {}\" style=\"width:{:.1f}%\"></div>", kind,
                largest > 0 ? 100 * value / largest : 0);
}

std::string metric_table(const Stats& stats, size_t m) {
  const bool has_b = !stats.b.empty();
  const Sum sum = sum_of(stats, m);
  if (!sum.programs) return "";
  std::vector<const StatsRow*> rows;
  double largest = 0;
  for (const StatsRow& row : stats.rows) {
    if (!row.a.values[m]) continue;
    rows.push_back(&row);
    largest = std::max({largest, *row.a.values[m], row.b.values[m].value_or(0)});
  }
  std::ranges::stable_sort(rows, std::greater(), [&](const StatsRow* row) { return *row->a.values[m]; });
  std::string out = format("<h2>{}</h2>\n<table>\n<tr><th>program</th>", kMetrics[m].words);
  out += has_b ? "<th class=n>before</th><th class=n>after</th><th class=n>change</th><th></th></tr>\n"
               : "<th class=n></th><th></th></tr>\n";
  for (const StatsRow* row : rows) {
    const double a = *row->a.values[m];
    const auto& b = row->b.values[m];
    const bool worse = is_worse(*row, m);
    out += format("<tr><td>{}</td><td class=n>{}</td>", escaped(row->program), number_text(a, m));
    if (has_b)
      out += format("<td class=n>{}</td><td class=\"n{}\">{}</td>", b ? number_text(*b, m) : "-",
                    worse ? " up" : "", b ? change(a, *b) : "");
    out += "<td class=bars>" + bar("a", a, largest);
    if (b) out += bar(worse ? "worse" : "b", *b, largest);
    out += "</td></tr>\n";
  }
  out +=
      format("<tr class=total><td>total of {}</td><td class=n>{}</td>", sum.programs, number_text(sum.a, m));
  if (has_b)
    out += format("<td class=n>{}</td><td class=n>{}</td><td>mean over programs {}</td>",
                  number_text(sum.b, m), change(sum.a, sum.b), change(1, sum.mean));
  return out + "</tr>\n</table>\n";
}

}  // namespace

std::string stats_page(const Stats& stats) {
  const bool has_b = !stats.b.empty();
  const std::string title =
      has_b ? format("{} and {}", escaped(stats.a), escaped(stats.b)) : escaped(stats.a);
  std::string out = format(
      "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n<title>epass stats: {}</title>\n", title);
  out += kStyle;
  out += format("<h1>{}</h1>\n<p>", title);
  out += stats.kernel.empty() ? format("Sizes only: {}", escaped(stats.why_no_kernel))
                              : format("Verifier and JIT: Linux {}", escaped(stats.kernel));
  if (has_b)
    out +=
        "<span class=\"key a\"></span>before<span class=\"key b\"></span>after"
        "<span class=\"key worse\"></span>after, and worse";
  out += "</p>\n";
  for (size_t m = 0; m < kMetricCount; ++m) out += metric_table(stats, m);
  std::string refused;
  for (const StatsRow& row : stats.rows)
    for (const Figures* figures : {&row.a, &row.b})
      if (!figures->reason.empty())
        refused += format("<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n", escaped(row.program),
                          figures == &row.a ? "before" : "after", escaped(figures->reason));
  if (!refused.empty() && !stats.kernel.empty())
    out += "<h2>not accepted, or not judged</h2>\n<table>\n" + refused + "</table>\n";
  return out + "</html>\n";
}

}  // namespace epass::tool
