// Packets that programs take for real ones, and what becomes of them.

#include "judge/inputs.h"

#include <algorithm>
#include <iterator>

#include "base/format.h"
#include "vm/places.h"

namespace epass::judge {

namespace {

using Packet = std::vector<uint8_t>;

void put(Packet& p, std::initializer_list<uint8_t> bytes) { p.insert(p.end(), bytes); }

void ethernet(Packet& p, uint16_t type, int vlans) {
  put(p, {0x52, 0x54, 0, 0x12, 0x34, 0x56, 2, 0, 0, 0, 0, 1});
  for (int n = 0; n < vlans; ++n)
    put(p, {uint8_t(n + 1 < vlans ? 0x88 : 0x81), uint8_t(n + 1 < vlans ? 0xa8 : 0), 0, uint8_t(5 + n)});
  put(p, {uint8_t(type >> 8), uint8_t(type)});
}

void ipv4(Packet& p, uint8_t protocol, uint16_t payload, bool options) {
  const uint16_t size = uint16_t(payload + (options ? 24 : 20));
  put(p, {uint8_t(options ? 0x46 : 0x45), 0, uint8_t(size >> 8), uint8_t(size), 0, 1, 0x40, 0, 64, protocol,
          0, 0});
  put(p, {10, 0, 0, 1, 10, 0, 0, 2});
  if (options) put(p, {1, 1, 1, 0});
}

void ipv6(Packet& p, uint8_t next, uint16_t payload) {
  put(p, {0x60, 0, 0, 0, uint8_t(payload >> 8), uint8_t(payload), next, 64});
  for (uint8_t last : {uint8_t{1}, uint8_t{2}})
    put(p, {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last});
}

void transport(Packet& p, uint8_t protocol, uint16_t payload) {
  if (protocol == 6)
    put(p, {0x1f, 0x90, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0});
  else if (protocol == 17)
    put(p, {0x1f, 0x90, 0, 53, uint8_t((payload + 8) >> 8), uint8_t(payload + 8), 0, 0});
  else
    put(p, {uint8_t(protocol == 58 ? 128 : 8), 0, 0, 0, 0, 1, 0, 1});
  for (uint16_t n = 0; n < payload; ++n) p.push_back(uint8_t(n));
}

Packet skeleton(uint64_t n) {
  Packet p;
  static constexpr uint8_t kProtocols[] = {6, 17, 1};
  const uint8_t protocol = kProtocols[n % 3];
  const uint16_t payload = uint16_t(n % 4 == 3 ? 512 : 18 + n % 5);
  const uint16_t inner = uint16_t(payload + (protocol == 6 ? 20 : 8));
  switch (n % kSkeletons / 3) {
    case 0:
    case 1: ethernet(p, 0x0800, 0), ipv4(p, protocol, inner, false), transport(p, protocol, payload); break;
    case 2:
    case 3: {
      const uint8_t next = protocol == 1 ? 58 : protocol;
      ethernet(p, 0x86dd, 0), ipv6(p, next, inner), transport(p, next, payload);
      break;
    }
    case 4: ethernet(p, 0x0800, 1), ipv4(p, protocol, inner, false), transport(p, protocol, payload); break;
    case 5: ethernet(p, 0x0800, 0), ipv4(p, protocol, inner, true), transport(p, protocol, payload); break;
    case 6:  // without a link layer, and within itself
      ipv4(p, n % 3 ? 4 : protocol, inner, false), ipv4(p, protocol, inner, false),
          transport(p, protocol, payload);
      break;
    default:
      ethernet(p, n % 2 ? 0x0806 : 0x86dd, n % 3 == 0 ? 2 : 0);
      p.resize(n % 3 == 1 ? 14 : 64);
      break;
  }
  return p;
}

constexpr uint64_t kInteresting[] = {0,     1,      2,      3,     4,          5,           6,          7,
                                     8,     16,     17,     32,    64,         127,         128,        255,
                                     256,   1024,   32767,  65535, 0x7fffffff, 0x80000000,  0xffffffff, 1500,
                                     0x800, 0x86dd, 0x8100, 4095,  4096,       ~uint64_t{0}};

uint64_t interesting(Dice& dice) {
  switch (dice.below(8)) {
    case 0: return dice.next();
    case 1: return uint64_t(-int64_t(dice.below(64)));
    case 2: return dice.below(512);
    default: return kInteresting[dice.below(std::size(kInteresting))];
  }
}

void change_packet(Packet& packet, Dice& dice) {
  if (packet.empty()) return packet.resize(1 + dice.below(64));
  const size_t at = dice.below(dice.below(3) ? std::min<size_t>(packet.size(), 64) : packet.size());
  switch (dice.below(6)) {
    case 0: packet[at] ^= uint8_t(1u << dice.below(8)); break;
    case 1: packet[at] = uint8_t(dice.next() >> 32); break;
    case 2:
    case 3: {
      const uint64_t value = interesting(dice);
      const size_t size = size_t{1} << dice.below(3);
      const bool big = dice.below(2);
      for (size_t n = 0; n < size && at + n < packet.size(); ++n)
        packet[at + n] = uint8_t(value >> 8 * (big ? size - 1 - n : n));
      break;
    }
    case 4: packet.resize(at + dice.below(8)); break;
    default: packet.resize(packet.size() + 1 + dice.below(256), uint8_t(dice.next() >> 40)); break;
  }
}

}  // namespace

vm::Input first_input(vm::Context context, uint64_t n, uint64_t seed) {
  vm::Input input{.context = context, .seed = seed * 1000003 + n};
  if (context != vm::Context::kRaw) input.packet = skeleton(n);
  return input;
}

vm::Input mutated(const vm::Input& input, const Asked& asked, Dice& dice) {
  vm::Input out = input;
  for (uint64_t changes = 1 + dice.below(3); changes; --changes) {
    switch (dice.below(6)) {
      case 0:
        if (asked.answers) out.answers[dice.below(asked.answers)] = interesting(dice);
        break;
      case 1:
        if (asked.lookups) out.answers[vm::Observer::kLookups + dice.below(asked.lookups)] = dice.below(2);
        break;
      case 2: {
        // A field of the context.
        const uint64_t value = interesting(dice), size = uint64_t{4} << dice.below(2);
        const uint64_t at = dice.below(dice.below(2) ? 64 : 256) / size * size;
        for (uint64_t n = 0; n < size; ++n) out.bytes[vm::kContextBase + at + n] = uint8_t(value >> 8 * n);
        break;
      }
      case 3: out.seed = dice.next() >> 8; break;
      default:
        if (input.context == vm::Context::kRaw)
          out.seed = dice.next() >> 8;
        else
          change_packet(out.packet, dice);
        break;
    }
  }
  return out;
}

std::string describe(const vm::Input& input) {
  std::string text = format("seed {}", input.seed);
  if (input.context != vm::Context::kRaw || !input.packet.empty()) {
    text += format(", packet of {} bytes", input.packet.size());
    std::string hex;
    size_t used = input.packet.size();
    while (used && !input.packet[used - 1]) --used;
    for (size_t n = 0; n < std::min<size_t>(used, 64); ++n) hex += format("{:02x}", input.packet[n]);
    if (!hex.empty()) text += " " + hex + (used > 64 ? "..." : "");
    if (used < input.packet.size()) text += ", then zeros";
  }
  if (!input.bytes.empty()) text += format(", {} bytes of memory set", input.bytes.size());
  for (auto [call, value] : input.answers)
    text += call >= vm::Observer::kLookups
                ? format(", lookup {} {}", call - vm::Observer::kLookups, value ? "finds" : "finds nothing")
                : format(", helper call {} returns {:#x}", call, value);
  return text;
}

}  // namespace epass::judge
