#pragma once
// The files of `dump-ir` and `load-ir`: read when the pipeline is made, written when all functions are done.

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "pass/pipeline.h"

namespace epass::driver {

class IrFileStore {
 public:
  // Finds the passes that use files, asks whether theirs can be written, and reads those that can be read
  // now.
  Result<void> prepare(std::span<const epass::Stage> stages);
  // Whether any pass uses files: functions must then come one after another.
  bool is_used() const { return used_; }

  // `run` numbers the functions: what is dumped twice in a run is there once. `printed` gets what goes to
  // `-`. An error is kept, and comes out of `finish`, too: it is the user's, not the function's.
  epass::IrFiles files(uint64_t run, const Symbols& symbols, std::string& printed);
  void failed(const Error& error);
  // Nothing that was dumped or failed counts.
  void restart() { dumps_.clear(), error_.reset(); }

  // Writes the files. Errors: the first that `failed` told; a file that was loaded for nothing; writing.
  Result<void> finish(const Symbols& symbols);

 private:
  struct Dumped {
    uint64_t run = 0;
    Function fn = {};
  };
  struct Loaded {
    Module module = {};
    bool asked = false, taken = false;
  };

  Result<Loaded*> read(const std::string& path);

  bool used_ = false;
  std::map<std::string, std::vector<Dumped>> dumps_;
  std::map<std::string, Loaded> loaded_;
  std::optional<Error> error_;
};

}  // namespace epass::driver
