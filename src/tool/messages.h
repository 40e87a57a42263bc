#pragma once
// Every message code the program can give, with its long text for `epass help CODE`. Rows: messages.def.

#include <span>
#include <string_view>

namespace epass::tool {

struct Message {
  std::string_view code, level, title, text;
};

std::span<const Message> messages();
const Message* find_message(std::string_view code);

}  // namespace epass::tool
