#include "tool/run_changes.h"

#include <algorithm>
#include <map>

#include "base/format.h"
#include "tool/ui.h"

namespace epass::tool {

Contents contents_of(world::World& world, const world::Setup& setup) {
  Contents out;
  for (const std::string& name : world.map_names()) {
    maps::Map& map = *world.map(name);
    const uint32_t key_size = map.spec().key_size;
    map.for_each_touched([&](const uint8_t* key, const maps::Value& value) {
      std::string text;
      uint32_t number = 0;
      if (key && key_size == 4) std::copy_n(key, 4, reinterpret_cast<uint8_t*>(&number));
      for (uint32_t n = 0; key && key_size != 4 && n < std::min(key_size, 16u); ++n)
        text += format("{:02x}", key[n]);
      const std::string place =
          key ? format("{}[{}]", name, key_size == 4 ? format("{}", number) : text) : name;
      if (!key && !out.empty() && out.back().first == place)
        out.back().second.insert(out.back().second.end(), value.bytes.get(), value.bytes.get() + value.size);
      else
        out.emplace_back(place, std::vector<uint8_t>(value.bytes.get(), value.bytes.get() + value.size));
      return true;
    });
  }
  for (const auto& [name, section] : setup.sections)
    if (const std::vector<uint8_t>* bytes = world.section(name)) out.emplace_back(name, *bytes);
  return out;
}

std::string changes_text(const Contents& before, const Contents& after,
                         const std::vector<uint8_t>& packet_before, const std::vector<uint8_t>& packet,
                         bool is_packet) {
  std::vector<std::string> parts;
  const std::map<std::string, std::vector<uint8_t>> old(before.begin(), before.end());
  const std::map<std::string, std::vector<uint8_t>> fresh(after.begin(), after.end());
  for (const auto& [name, bytes] : after) {
    auto it = old.find(name);
    // An element of an array that was only read now is no change.
    const bool zeros = std::ranges::all_of(bytes, [](uint8_t b) { return b == 0; });
    if (it == old.end() ? !zeros : it->second != bytes) parts.push_back(printable(name));
  }
  for (const auto& [name, bytes] : before)
    if (!fresh.contains(name)) parts.push_back(printable(name) + " deleted");
  const char* what = is_packet ? "packet" : "memory";
  if (packet_before.size() != packet.size()) {
    parts.push_back(format("{} ({} -> {} bytes)", what, packet_before.size(), packet.size()));
  } else if (packet_before != packet) {
    size_t first = 0, last = packet.size() - 1;
    while (packet[first] == packet_before[first]) ++first;
    while (packet[last] == packet_before[last]) --last;
    parts.push_back(first == last ? format("{} byte {}", what, first)
                                  : format("{} bytes {} to {}", what, first, last));
  }
  constexpr size_t kMost = 6;
  std::string text;
  for (size_t n = 0; n < std::min(parts.size(), kMost); ++n) text += (n ? ", " : "; changed: ") + parts[n];
  if (parts.size() > kMost) text += format(", and {} more", parts.size() - kMost);
  return text;
}

}  // namespace epass::tool
