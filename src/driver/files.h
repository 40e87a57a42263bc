#pragma once
// Reading inputs, and writing outputs so that a failure leaves what was there: beside first, then renamed.

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace epass::driver {

// The whole file; `-` is standard input.
Result<std::vector<uint8_t>> read_file(const std::string& path);

// Whether `path` can be written, asked before the work starts. `-` always can.
Result<void> check_writable(const std::string& path);

// Writes `bytes` to `path`, or to standard output for `-`. Regular files get a new file under a temporary
// name that is then renamed, through symbolic links, with the mode of the file they replace; without one,
// that of `mode_from`
// ("" for none). Devices and pipes are written directly.
Result<void> write_file(const std::string& path, Bytes bytes, const std::string& mode_from = "");

// Installs handlers that remove the temporary file when the user interrupts the program, and then die of the
// signal.
void remove_temporary_on_signal();

}  // namespace epass::driver
