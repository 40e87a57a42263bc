#pragma once
// Writes one JSON object per line, fields in the order in which they are added. docs/json.md lists the
// fields.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace epass::tool {

std::string json_string(std::string_view text);

class JsonLine {
 public:
  JsonLine& text(std::string_view name, std::string_view value);
  // null where the text is empty: unknown is null, never "".
  JsonLine& text_or_null(std::string_view name, std::string_view value);
  JsonLine& number(std::string_view name, int64_t value);
  JsonLine& number_or_null(std::string_view name, std::optional<int64_t> value);
  JsonLine& boolean_or_null(std::string_view name, std::optional<bool> value);
  JsonLine& hex(std::string_view name, uint64_t value);
  JsonLine& texts(std::string_view name, const std::vector<std::string>& values);
  JsonLine& raw(std::string_view name, std::string_view json);
  // The object with its newline.
  std::string line() const { return "{" + body_ + "}\n"; }
  std::string object() const { return "{" + body_ + "}"; }

 private:
  std::string body_;
};

// The fields that every report starts with.
JsonLine program_line(std::string_view object, std::string_view section, std::string_view program,
                      std::string_view type);

}  // namespace epass::tool
