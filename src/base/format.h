#pragma once
// String formatting: {fmt} behind one name, so that std::format can replace it when every supported compiler
// has it.

#include <fmt/core.h>

#include <string>

namespace epass {

std::string vformat(fmt::string_view text, fmt::format_args args);

template <class... Args>
std::string format(fmt::format_string<Args...> text, Args&&... args) {
  return epass::vformat(text, fmt::make_format_args(args...));
}

}  // namespace epass
