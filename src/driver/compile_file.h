#pragma once
// From the bytes of an input file to the bytes of an output file.

#include "driver/compile.h"
#include "driver/input.h"
#include "driver/pipeline.h"

namespace epass::driver {

struct FileOptions {
  CompileOptions compile = {};
  PipelineOptions pipeline = {};
  std::optional<Emit> emit = {};  // none: the format of the input
  bool keep_dwarf = false;
  bool rodata_const = false;  // no loader changes .rodata: the pass `rodata-const` may read it
};

// What a level is made of: its passes, and how code is chosen afterwards.
constexpr std::string_view kLevels[] = {"O0", "O1", "O2", "O3", "Os"};
void set_level(FileOptions& options, std::string_view level);

struct CompiledFile {
  CodeFile code = {};  // as read
  CompiledProgram compiled = {};
  PipelineReport passes = {};
  Emit emit = Emit::kElf;
  std::vector<uint8_t> bytes = {};  // of the output

  const bpf::Program& program() const { return code.program(); }
};

// Errors are faults of the input or of the options: a function that cannot be compiled is kept and reported
// in `compiled`.
Result<CompiledFile> compile_file(Input input, const FileOptions& options);

// Puts the input's code back for functions of new code that turned out unfit, says why, and makes the output
// again. `which` is by function.
Result<void> keep_functions(CompiledFile& file, const std::vector<bool>& which, const Error& reason,
                            const FileOptions& options);

// "FUNCTION NEW OLD" per line, for every record of every function of the output, in order; OLD is `-` for an
// instruction that comes from none of the input, FUNCTION:OLD for one that was copied from another function.
std::string offset_map(const CompiledFile& file);

}  // namespace epass::driver
