#pragma once
// What `epass stats` knows of programs before and after, and how it shows it.

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "tool/ui.h"

namespace epass::tool {

struct Metric {
  const char* name;     // in JSON, without _a and _b
  const char* heading;  // in the table
  const char* words;    // in the page
  uint32_t unit = 1;    // what the table counts in
};
// The first needs no kernel.
inline constexpr Metric kMetrics[] = {
    {"insns", "insns", "instructions, 8-byte records"},
    {"insn_processed", "processed", "verifier's work, instructions processed"},
    {"total_states", "states", "states that the verifier kept"},
    {"xlated_bytes", "xlated", "instructions as the kernel keeps them", 8},
    {"jited_bytes", "jit bytes", "machine code, bytes"},
    {"stack_depth", "stack", "stack, bytes"},
    {"run_ns", "ns/run", "nanoseconds of one test run"},
};
inline constexpr size_t kMetricCount = std::size(kMetrics), kRunTime = kMetricCount - 1;

struct Figures {
  std::optional<bool> accepted = {};
  std::string reason = {};  // why not
  std::array<std::optional<double>, kMetricCount> values = {};
};

struct StatsRow {
  std::string section = {}, program = {}, type = {};
  Figures a = {}, b = {};
  double run_noise = 0;  // of run_ns: what part of it means nothing
};

struct Stats {
  std::string a = {}, b = {};  // `b` is empty: one file only
  std::string kernel = {};     // its release, "" if it was not asked
  std::string why_no_kernel = {};
  std::vector<StatsRow> rows = {};
};

// Sums over the programs where both sides are known (of one file: where it is), and of how many programs.
struct Sum {
  double a = 0, b = 0, mean = 1;  // mean over programs of b / a
  size_t programs = 0;
};
Sum sum_of(const Stats& stats, size_t metric);
bool is_worse(const StatsRow& row, size_t metric);
std::string number_text(double value, size_t metric);

std::string stats_screen(const Stats& stats, const Ui& ui);
std::string stats_json(const Stats& stats);
// One page with nothing outside of it.
std::string stats_page(const Stats& stats);

}  // namespace epass::tool
