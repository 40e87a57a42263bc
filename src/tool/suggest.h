#pragma once
#include <span>
#include <string>
#include <string_view>

namespace epass::tool {

// The candidate that `word` most likely stood for, or "" if none is near: at most a third of its letters
// differ (an exchange of neighbours counts once).
std::string closest(std::string_view word, std::span<const std::string> candidates);

}  // namespace epass::tool
