#pragma once
// Little-endian numbers in byte buffers of foreign files: every read is checked against the end.

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

namespace epass {

using Bytes = std::span<const uint8_t>;

// The number at `offset`, or none if it does not lie inside `bytes`.
template <class T>
std::optional<T> read_le(Bytes bytes, uint64_t offset) {
  static_assert(std::is_integral_v<T> && std::endian::native == std::endian::little);
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

// `size` bytes at `offset`, or none if they do not lie inside `bytes`.
inline std::optional<Bytes> slice(Bytes bytes, uint64_t offset, uint64_t size) {
  if (offset > bytes.size() || bytes.size() - offset < size) return std::nullopt;
  return bytes.subspan(offset, size);
}

template <class T>
void write_le(std::span<uint8_t> bytes, uint64_t offset, T value) {
  static_assert(std::is_integral_v<T>);
  std::memcpy(bytes.subspan(offset, sizeof(T)).data(), &value, sizeof(T));
}

template <class T>
void append_le(std::vector<uint8_t>& bytes, T value) {
  static_assert(std::is_integral_v<T>);
  const auto* p = reinterpret_cast<const uint8_t*>(&value);
  bytes.insert(bytes.end(), p, p + sizeof(T));
}

}  // namespace epass
