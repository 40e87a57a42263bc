// Compares outcomes with a mask: what differs between two runs of the original itself is no behaviour.

#include "judge/differ.h"

#include <algorithm>
#include <vector>

#include "base/format.h"

namespace epass::judge {

namespace {

using vm::Event;
using vm::Outcome;

// The original in several worlds. `worlds[0]` is the run that the other program is compared with.
class Mask {
 public:
  explicit Mask(const std::vector<Outcome>& worlds) : worlds_(worlds) {}

  // Whether all worlds have the same at this place, as far as they have it.
  template <class Get>
  bool fixed(const Get& get) const {
    return std::ranges::all_of(worlds_, [&](const Outcome& w) { return get(w) == get(worlds_[0]); });
  }
  // "" or where two byte strings differ at a place that is fixed.
  template <class Get>
  std::string bytes(const std::vector<uint8_t>& b, const Get& get) const {
    const std::vector<uint8_t>& a = get(worlds_[0]);
    if (!fixed([&](const Outcome& w) { return get(w).size(); })) return "";
    if (a.size() != b.size()) return format("{} bytes against {}", a.size(), b.size());
    for (size_t n = 0; n < a.size(); ++n)
      if (a[n] != b[n] && fixed([&](const Outcome& w) { return get(w)[n]; }))
        return format("byte {} is {:#04x} against {:#04x}", n, a[n], b[n]);
    return "";
  }
  const Outcome& first() const { return worlds_[0]; }

 private:
  const std::vector<Outcome>& worlds_;
};

std::string event_text(const Event& event) {
  std::string text = event.what + "(";
  for (size_t n = 0; n < std::min<size_t>(event.values.size(), 8); ++n)
    text += format("{}{:#x}", n ? ", " : "", event.values[n]);
  return text + ")";
}

// Compares events as long as all worlds do the same; `open` is set where they go apart.
std::string events_differ(const Mask& mask, const Outcome& b, bool& open) {
  const Outcome& a = mask.first();
  for (size_t n = 0; n < a.events.size(); ++n) {
    auto event = [n](const Outcome& w) { return n < w.events.size() ? &w.events[n] : nullptr; };
    open = !mask.fixed([&](const Outcome& w) { return event(w) ? event(w)->what : std::string(); }) ||
           !mask.fixed([&](const Outcome& w) { return event(w)->values.size(); });
    if (open) return "";
    const Event& x = a.events[n];
    // A rewritten program may fault before events that follow a fault of the original, not otherwise.
    if (n >= b.events.size()) {
      if (!a.error.empty() && !b.error.empty()) return "";
      return format("the original calls {}, the second {}", event_text(x),
                    b.error.empty() ? "ends before" : "stops before: " + b.error);
    }
    const Event& y = b.events[n];
    if (x.what != y.what) return format("call {}: {} against {}", n, event_text(x), event_text(y));
    if (x.values.size() != y.values.size())
      return format("call {}: {} against {}", n, event_text(x), event_text(y));
    for (size_t k = 0; k < x.values.size(); ++k)
      if (x.values[k] != y.values[k] && mask.fixed([&](const Outcome& w) { return event(w)->values[k]; }))
        return format("call {}: {} against {}", n, event_text(x), event_text(y));
    std::string bytes =
        mask.bytes(y.bytes, [&](const Outcome& w) -> const std::vector<uint8_t>& { return event(w)->bytes; });
    if (!bytes.empty()) return format("call {} of {}: what it reads differs, {}", n, x.what, bytes);
  }
  return "";
}

std::string ends_differ(const Mask& mask, const Outcome& b) {
  const Outcome& a = mask.first();
  if (!mask.fixed([](const Outcome& w) { return w.error.empty(); }) || !a.error.empty()) return "";
  if (b.error == vm::kBudgetUsedUp)
    return format("the original ends after {} instructions, the second has not after {}", a.executed,
                  b.executed);
  if (!b.error.empty()) return "the original ends well, the second stops: " + b.error;
  if (b.events.size() > a.events.size() && mask.fixed([](const Outcome& w) { return w.events.size(); }))
    return format("the second calls {}, the original ends before", event_text(b.events[a.events.size()]));
  if (a.r0 != b.r0 && mask.fixed([](const Outcome& w) { return w.r0; }))
    return format("returns {:#x} against {:#x}", a.r0, b.r0);
  std::string bytes =
      mask.bytes(b.packet, [](const Outcome& w) -> const std::vector<uint8_t>& { return w.packet; });
  if (!bytes.empty()) return "the packet differs: " + bytes;
  std::map<std::string, uint64_t> names = a.memory;
  names.insert(b.memory.begin(), b.memory.end());
  static const std::vector<uint8_t> kNone;
  for (const auto& [name, unused] : names) {
    auto hash = [&name = name](const Outcome& w) {
      auto it = w.memory.find(name);
      return it == w.memory.end() ? 0 : it->second;
    };
    if (hash(a) == hash(b)) continue;
    if (mask.fixed(hash)) return format("`{}` holds something else at the end", name);
    auto contents = [&name = name](const Outcome& w) -> const std::vector<uint8_t>& {
      auto it = w.contents.find(name);
      return it == w.contents.end() ? kNone : it->second;
    };
    bytes = mask.bytes(contents(b), contents);
    if (!bytes.empty()) return format("`{}` holds something else at the end: {}", name, bytes);
  }
  return "";
}

}  // namespace

bool same(const Outcome& a, const Outcome& b) {
  return a.error.empty() && b.error.empty() && !b.read_undefined && a.r0 == b.r0 && a.events == b.events &&
         a.packet == b.packet && a.memory == b.memory;
}

bool decides(const vm::Outcome& original) {
  return !original.read_undefined && original.error != vm::kBudgetUsedUp;
}

std::string difference(const vm::Outcome& a, const vm::Outcome& b, const Again& again) {
  if (!decides(a) || same(a, b)) return "";
  auto judged = [&](const std::vector<Outcome>& worlds) -> std::string {
    const Mask mask(worlds);
    if (!mask.fixed([](const Outcome& w) { return decides(w); })) return "";
    bool open = false;
    std::string why = events_differ(mask, b, open);
    if (!why.empty() || open) return why;
    if (a.error.empty() && b.read_undefined && mask.fixed([](const Outcome& w) { return w.events.size(); }))
      return "the second reads a register that nothing was written to";
    return ends_differ(mask, b);
  };
  std::vector<Outcome> worlds = {a};
  std::string why = judged(worlds);
  for (uint64_t world = 1; world < kWorlds && !why.empty(); ++world) {
    worlds.push_back(again(world));
    why = judged(worlds);
  }
  return why;
}

}  // namespace epass::judge
