#pragma once
// The manual page and the completion for shells, made from the tables of commands, options, passes and
// messages.

#include <span>
#include <string>
#include <string_view>

namespace epass::tool {

// A text of `epass help`.
struct Topic {
  std::string_view name, text;
};
std::span<const Topic> topics();

std::string manual_page();      // roff, for man(7)
std::string bash_completion();  // to be sourced

}  // namespace epass::tool
