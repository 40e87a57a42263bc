#pragma once
// What `epass opt` says: the table of programs, the JSON lines, the warnings about kept functions.

#include "driver/back_off.h"
#include "driver/compile_file.h"
#include "tool/command.h"

namespace epass::tool {

// What the kernel said of the output.
struct KernelReport {
  std::vector<std::string> words = {};         // by function; none: it was not asked
  std::vector<driver::LeftOut> left_out = {};  // passes on functions
};

struct OptReport {
  const driver::CompiledFile& file;
  std::string level = {};
  std::string pipeline = {};  // what the level stands for
  KernelReport kernel = {};   // with --check-kernel
};

std::string screen(const OptReport& report, const Ui& ui);
std::string json_lines(const OptReport& report);
// Of these passes only, unless there are none.
std::string remark_lines(const OptReport& report, const std::vector<std::string>& passes);
// "wrote out.o (78,248 -> 77,104 bytes)"; one size where the formats cannot be compared.
std::string wrote_line(const driver::CompiledFile& file, const std::string& output);
// Asks this kernel about input and output, and leaves out what would be lost by it; `strict`: or what costs
// more.
Result<KernelReport> check_kernel(driver::CompiledFile& file, const driver::Input& input,
                                  const driver::FileOptions& options, bool strict, const Ui& ui);
// Warns of passes that were left out.
void report_left_out(const OptReport& report, Diagnostics& diagnostics);
void report_kept(const OptReport& report, Diagnostics& diagnostics);
void report_passes(const OptReport& report, const driver::PipelineOptions& options, Ui& ui);

// --input of any command.
Result<std::optional<driver::Format>> read_format(const Arguments& arguments);
// Binary output to a terminal is refused.
Result<void> check_terminal(driver::Emit emit);

}  // namespace epass::tool
