#pragma once
// What `epass opt` says: the table of programs, the JSON lines, the warnings about kept functions.

#include "driver/compile_file.h"
#include "tool/command.h"

namespace epass::tool {

struct OptReport {
  const driver::CompiledFile& file;
  std::string level = {};
};

std::string screen(const OptReport& report, const Ui& ui);
std::string json_lines(const OptReport& report);
void report_kept(const OptReport& report, Diagnostics& diagnostics);
void report_passes(const OptReport& report, const driver::PipelineOptions& options, Ui& ui);

// --input of any command.
Result<std::optional<driver::Format>> read_format(const Arguments& arguments);
// Binary output to a terminal is refused.
Result<void> check_terminal(driver::Emit emit);

}  // namespace epass::tool
