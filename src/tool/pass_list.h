#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace epass::tool {

std::vector<std::string> pass_names();
// The help text of a pass, "" if there is no such pass.
std::string help_on_pass(std::string_view name);

}  // namespace epass::tool
