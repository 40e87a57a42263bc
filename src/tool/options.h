#pragma once
// The command line: one table of options per command, from which parsing, suggestions and the checks of the
// help screens come. Options may stand anywhere, `--` ends them, `--name=value` and `--name value` mean the
// same.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace epass::tool {

struct Option {
  enum class Value : uint8_t {
    kNone,      // a switch
    kRequired,  // --name=value or --name value
    kAttached,  // --name or --name=value: a value must be attached, or the next word would be ambiguous
  };
  std::string_view name = {};  // with its dashes stripped; letters are one character
  char letter = 0;
  Value value = Value::kNone;
  bool repeatable = false;
  // For completion in shells: the words that it takes, or FILE, PASS (of which there may be several, with
  // commas), CODE.
  std::string_view takes = {};
};

class Arguments {
 public:
  struct Given {
    std::string name = {};
    std::string value = {};
    bool has_value = false;
  };
  std::vector<Given> given = {};
  std::vector<std::string> inputs = {};

  bool has(std::string_view name) const;
  // The last value, or `fallback`.
  std::string get(std::string_view name, std::string_view fallback = "") const;
  std::vector<std::string> all(std::string_view name) const;
  // How often a switch was given: -vv.
  int count(std::string_view name) const;
};

// `common` are the options that every command has. Errors have code `usage`.
Result<Arguments> parse_arguments(std::span<const std::string> words, std::span<const Option> options,
                                  std::span<const Option> common, std::string_view command);

Result<uint64_t> parse_number(std::string_view option, std::string_view text, uint64_t least, uint64_t most);
// Index of `text` in `words`; the error lists them, or the one that was meant.
Result<size_t> parse_word(std::string_view option, std::string_view text, std::span<const std::string> words);

std::unexpected<Error> usage_error(std::string message, std::string help = "");

}  // namespace epass::tool
