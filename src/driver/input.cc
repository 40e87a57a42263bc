// Reads inputs.

#include "driver/input.h"

#include "driver/files.h"

namespace epass::driver {

Result<Input> read_input(const std::string& path, std::optional<Format> forced) {
  auto bytes = read_file(path);
  if (!bytes) return fail(bytes.error());
  Input input{.name = path, .bytes = std::move(*bytes)};
  Result<Format> format = forced ? *forced : object::detect_format(input.bytes);
  if (!format) {
    format.error().where.object = path;
    return fail(format.error());
  }
  input.format = *format;
  return input;
}

}  // namespace epass::driver
