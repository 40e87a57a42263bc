#pragma once
// What `epass opt` says: the table of programs, the JSON lines, the warnings about kept functions.

#include "driver/compile_file.h"
#include "tool/command.h"

namespace epass::tool {

struct OptReport {
  const driver::CompiledFile& file;
  std::string level = {};
  std::string pipeline = {};             // what the level stands for
  std::vector<std::string> kernel = {};  // by function, with --check-kernel: what the kernel said
};

std::string screen(const OptReport& report, const Ui& ui);
std::string json_lines(const OptReport& report);
// Of these passes only, unless there are none.
std::string remark_lines(const OptReport& report, const std::vector<std::string>& passes);
// "wrote out.o (78,248 -> 77,104 bytes)"; one size where the formats cannot be compared.
std::string wrote_line(const driver::CompiledFile& file, const std::string& output);
// Asks this kernel about input and output, and puts back what it would lose. Gives OptReport::kernel.
Result<std::vector<std::string>> check_kernel(driver::CompiledFile& file, Bytes input,
                                              const driver::FileOptions& options, const Ui& ui);
void report_kept(const OptReport& report, Diagnostics& diagnostics);
void report_passes(const OptReport& report, const driver::PipelineOptions& options, Ui& ui);

// --input of any command.
Result<std::optional<driver::Format>> read_format(const Arguments& arguments);
// Binary output to a terminal is refused.
Result<void> check_terminal(driver::Emit emit);

}  // namespace epass::tool
