// The table of messages.

#include "tool/messages.h"

#include <algorithm>
#include <iterator>

namespace epass::tool {

namespace {
constexpr Message kMessages[] = {
#define MESSAGE(code, level, title, text) {code, level, title, text},
#include "tool/messages.def"
#undef MESSAGE
};
}  // namespace

std::span<const Message> messages() { return kMessages; }

const Message* find_message(std::string_view code) {
  auto found = std::ranges::find(kMessages, code, &Message::code);
  return found == std::end(kMessages) ? nullptr : found;
}

}  // namespace epass::tool
