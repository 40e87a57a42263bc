#pragma once
#include <compare>
#include <cstdint>
#include <functional>

namespace epass {

// A typed index into one table. Distinct tags cannot be mixed up, and an Id stays valid when its table grows.
template <class Tag>
struct Id {
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t index = kNone;

  constexpr explicit operator bool() const { return index != kNone; }
  friend constexpr auto operator<=>(Id, Id) = default;
};

}  // namespace epass

template <class Tag>
struct std::hash<epass::Id<Tag>> {
  size_t operator()(epass::Id<Tag> id) const noexcept { return id.index; }
};
