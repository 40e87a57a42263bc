#pragma once
#include <expected>
#include <string>
#include <utility>
#include <vector>

namespace epass {

// Where something was found. Only the known parts are filled; instructions are counted in 8-byte records from
// the start of the function.
struct Place {
  std::string object = {};  // file name as the user gave it
  std::string section = {};
  std::string function = {};
  int64_t insn = -1;               // index in the function, -1 unknown
  int64_t byte = -1;               // offset in the file
  int64_t line = -1, column = -1;  // of a text input, 1-based
};

// What went wrong, said once, where it was found. Callers add to `where`, `notes` and `help`; nobody parses
// `message`.
struct Error {
  std::string message = {};    // one sentence, lower case, no full stop
  std::string code = "input";  // a stable word, such as `elf-truncated`: rows of tool/messages.def
  Place where = {};
  std::vector<std::string> notes = {};
  std::string help = {};
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(std::string message) {
  return std::unexpected(Error{.message = std::move(message)});
}
inline std::unexpected<Error> fail(std::string code, std::string message, Place where = {}) {
  return std::unexpected(
      Error{.message = std::move(message), .code = std::move(code), .where = std::move(where)});
}
inline std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }

}  // namespace epass
