#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pass/pipeline.h"

namespace epass::tool {

// The candidate that `word` most likely stood for, or "" if none is near.
inline std::string closest(std::string_view word, std::span<const std::string> candidates) {
  return nearest_word(word, std::vector<std::string_view>(candidates.begin(), candidates.end()));
}

}  // namespace epass::tool
