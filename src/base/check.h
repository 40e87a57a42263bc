#pragma once
// Guards our own invariants, never foreign input: a failed check is a bug of ours and aborts with its place.

#include <cstdint>
#include <limits>
#include <source_location>
#include <string_view>
#include <type_traits>

namespace epass {

[[noreturn]] void check_failed(std::string_view condition, std::string_view message,
                               std::source_location where);

// Says what is being worked on (pass and function), for the message of a failed check. Nests; one per thread.
class CheckScope {
 public:
  explicit CheckScope(std::string_view what);
  ~CheckScope();
  CheckScope(const CheckScope&) = delete;
  CheckScope& operator=(const CheckScope&) = delete;

 private:
  std::string_view what_;
  const CheckScope* outer_;
  friend void check_failed(std::string_view, std::string_view, std::source_location);
};

// Narrows a number and aborts if the value does not fit: for numbers that we computed and know to be small.
template <class To, class From>
constexpr To checked_cast(From from, std::source_location where = std::source_location::current()) {
  static_assert(std::is_integral_v<To> && std::is_integral_v<From>);
  To to = static_cast<To>(from);
  if (static_cast<From>(to) != from || (to < To{}) != (from < From{}))
    check_failed("checked_cast", "number does not fit", where);
  return to;
}

}  // namespace epass

#define EPASS_CHECK(condition, message) \
  ((condition) ? void() : ::epass::check_failed(#condition, message, std::source_location::current()))
