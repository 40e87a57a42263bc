// JSON text. nlohmann's library does the one thing that is easy to get wrong: strings from foreign files,
// which need not be UTF-8.

#include "tool/json.h"

#include <nlohmann/json.hpp>

#include "base/format.h"

namespace epass::tool {

std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

JsonLine& JsonLine::raw(std::string_view name, std::string_view json) {
  if (!body_.empty()) body_ += ',';
  body_.append("\"").append(name).append("\":").append(json);
  return *this;
}

JsonLine& JsonLine::text(std::string_view name, std::string_view value) {
  return raw(name, json_string(value));
}

JsonLine& JsonLine::text_or_null(std::string_view name, std::string_view value) {
  return value.empty() ? raw(name, "null") : text(name, value);
}

JsonLine& JsonLine::number(std::string_view name, int64_t value) { return raw(name, std::to_string(value)); }

JsonLine& JsonLine::number_or_null(std::string_view name, std::optional<int64_t> value) {
  return value ? number(name, *value) : raw(name, "null");
}

JsonLine& JsonLine::boolean_or_null(std::string_view name, std::optional<bool> value) {
  return raw(name, value ? (*value ? "true" : "false") : "null");
}

JsonLine& JsonLine::hex(std::string_view name, uint64_t value) {
  return raw(name, format("\"{:#x}\"", value));
}

JsonLine& JsonLine::texts(std::string_view name, const std::vector<std::string>& values) {
  std::string list = "[";
  for (const std::string& value : values) list += (list.size() > 1 ? "," : "") + json_string(value);
  return raw(name, list + "]");
}

JsonLine program_line(std::string_view object, std::string_view section, std::string_view program,
                      std::string_view type) {
  JsonLine line;
  line.number("schema", 1).text("object", object).text("section", section).text("program", program);
  line.text_or_null("type", type);
  return line;
}

}  // namespace epass::tool
