#pragma once
#include <string_view>

namespace epass::driver {

// Shell patterns for program names: `*` any text, `?` one character, everything else itself.
bool glob_matches(std::string_view pattern, std::string_view text);

}  // namespace epass::driver
