// Helpers that read and change packets. Packets are in one piece, and nobody else holds them.

#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "world/world.h"

namespace epass::world {

namespace {

constexpr uint64_t kEthernet = 14, kFrameHead = 40;  // struct xdp_frame at the start of the headroom
constexpr uint64_t kTailroom = 320;                  // struct skb_shared_info at the end of the page
constexpr int kNotSupported = -524;                  // ENOTSUPP
constexpr uint64_t kMaxSkb = 65535;
constexpr size_t kProtocolField = 16;                         // of struct __sk_buff
constexpr uint16_t kProtocol4 = 0x0008, kProtocol6 = 0xdd86;  // ETH_P_IP, ETH_P_IPV6 as they stand in packets

uint64_t error(int number) { return static_cast<uint64_t>(static_cast<int64_t>(number)); }

// Sums of 16-bit words with end-around carry, as the Internet's checksum; bytes in memory order.
uint32_t add32(uint32_t a, uint32_t b) {
  const uint64_t sum = uint64_t{a} + b;
  return static_cast<uint32_t>(sum + (sum >> 32));
}
uint32_t sum_of(const std::vector<uint8_t>& bytes, uint32_t sum) {
  for (size_t n = 0; n + 3 < bytes.size(); n += 4) {
    uint32_t word = 0;
    std::memcpy(&word, bytes.data() + n, 4);
    sum = add32(sum, word);
  }
  return sum;
}
uint16_t folded(uint32_t sum) {
  sum = (sum >> 16) + (sum & 0xffff);
  sum += sum >> 16;
  return static_cast<uint16_t>(sum);
}
uint16_t from_change(uint16_t check, uint32_t difference) {
  return static_cast<uint16_t>(~folded(add32(difference, ~uint32_t{check})));
}
uint16_t replaced4(uint16_t check, uint32_t from, uint32_t to) {
  return static_cast<uint16_t>(~folded(add32(add32(~uint32_t{check}, ~from), to)));
}
uint16_t replaced2(uint16_t check, uint16_t from, uint16_t to) {
  auto add16 = [](uint16_t a, uint16_t b) {
    const uint32_t sum = uint32_t{a} + b;
    return static_cast<uint16_t>(sum + (sum >> 16));
  };
  const uint16_t inverse = static_cast<uint16_t>(~check);
  return static_cast<uint16_t>(~add16(add16(inverse, static_cast<uint16_t>(~from)), to));
}

}  // namespace

uint8_t* World::packet_at(uint64_t offset, uint64_t size) {
  if (offset > packet_size() || size > packet_size() - offset) return nullptr;
  return packet_.buffer.data() + packet_.begin + offset;
}

uint64_t World::load_bytes() {
  const uint64_t offset = arg(2), to = arg(3), size = static_cast<uint32_t>(arg(4));
  const uint8_t* from = offset > INT32_MAX ? nullptr : packet_at(static_cast<uint32_t>(offset), size);
  const std::vector<uint8_t> zeros(from ? 0 : std::min<uint64_t>(size, kMaxSkb));
  if (!write(to, from ? from : zeros.data(), from ? size : zeros.size(), "the buffer")) return 0;
  return from ? 0 : error(-EFAULT);
}

uint64_t World::load_bytes_relative() {
  const uint64_t offset = arg(2), to = arg(3), size = static_cast<uint32_t>(arg(4)), start = arg(5);
  const uint64_t base = start == BPF_HDR_START_NET && setup_.ethernet ? kEthernet : 0;
  const bool known = start == BPF_HDR_START_NET || (start == BPF_HDR_START_MAC && setup_.ethernet);
  const uint8_t* from = !known || offset > 0xffff ? nullptr : packet_at(base + offset, size);
  const std::vector<uint8_t> zeros(from ? 0 : std::min<uint64_t>(size, kMaxSkb));
  if (!write(to, from ? from : zeros.data(), from ? size : zeros.size(), "the buffer")) return 0;
  return from ? 0 : error(-EFAULT);
}

uint64_t World::store_bytes() {
  const uint64_t offset = arg(2), size = static_cast<uint32_t>(arg(4));
  if (arg(5) & ~uint64_t{BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH}) return error(-EINVAL);
  uint8_t* to = offset > INT32_MAX ? nullptr : packet_at(offset, size);
  if (!to) return error(-EFAULT);
  return read(arg(3), to, size, "the buffer"), 0;
}

uint64_t World::pull_data() { return static_cast<uint32_t>(arg(2)) > packet_size() ? error(-ENOMEM) : 0; }

uint64_t World::change_tail() {
  const uint64_t size = static_cast<uint32_t>(arg(2));
  if (arg(3) || size > kMaxSkb || size < kEthernet) return error(-EINVAL);
  packet_.buffer.resize(std::max(packet_.buffer.size(), packet_.begin + size));
  if (packet_.begin + size > packet_.end)
    std::fill(packet_.buffer.begin() + static_cast<ptrdiff_t>(packet_.end),
              packet_.buffer.begin() + static_cast<ptrdiff_t>(packet_.begin + size), uint8_t{0});
  packet_.end = packet_.begin + size;
  return lay_packet(), 0;
}

uint64_t World::change_head() {
  const uint64_t room = static_cast<uint32_t>(arg(2));
  if (arg(3) || packet_size() + room > kMaxSkb) return error(-EINVAL);
  if (room > packet_.begin) {
    const size_t more = room - packet_.begin;
    packet_.buffer.insert(packet_.buffer.begin(), more, 0);
    packet_.begin += more, packet_.end += more;
  }
  packet_.begin -= room;
  std::memset(packet_.buffer.data() + packet_.begin, 0, room);
  return lay_packet(), 0;
}

// Room behind the link-layer header (mode MAC) or the network header (mode NET) is made or taken away.
uint64_t World::adjust_room() {
  constexpr uint64_t kDecap4 = 0x80, kDecap6 = 0x100, kDecap = kDecap4 | kDecap6, kNoReset = 0x20;
  constexpr uint64_t kEncap3 = BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;
  constexpr uint64_t kEncap4 = BPF_F_ADJ_ROOM_ENCAP_L4_GRE | BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
  constexpr uint64_t kEncap2 = BPF_F_ADJ_ROOM_ENCAP_L2(BPF_ADJ_ROOM_ENCAP_L2_MASK);
  constexpr uint64_t kEncap = kEncap2 | kEncap3 | kEncap4 | BPF_F_ADJ_ROOM_ENCAP_L2_ETH;
  constexpr uint64_t kMostRoom = 0xfff, kLongest = 16064, kIpv4 = 20, kIpv6 = 40;
  const int64_t change = static_cast<int32_t>(arg(2));
  const uint64_t size = static_cast<uint64_t>(change < 0 ? -change : change), flags = arg(4);
  const uint32_t mode = static_cast<uint32_t>(arg(3));
  if (flags & ~(BPF_F_ADJ_ROOM_FIXED_GSO | kEncap | kDecap | kNoReset)) return error(-EINVAL);
  if (size > kMostRoom) return error(-EFAULT);
  uint16_t protocol = 0;  // as in the packet
  std::memcpy(&protocol, context_.data() + kProtocolField, 2);
  const bool is_ipv4 = protocol == kProtocol4, is_ipv6 = protocol == kProtocol6;
  if ((!is_ipv4 && !is_ipv6) || mode > BPF_ADJ_ROOM_MAC) return error(kNotSupported);
  uint64_t least = is_ipv4 ? kIpv4 : kIpv6;
  const uint64_t link = setup_.ethernet ? kEthernet : 0;
  const uint64_t offset = link + (mode == BPF_ADJ_ROOM_NET ? least : 0);
  if (flags & kDecap) {
    if (change >= 0 || (flags & kDecap) == kDecap) return error(-EINVAL);
    least = flags & kDecap4 ? kIpv4 : kIpv6;
  }
  const uint64_t now = packet_size() > link ? packet_size() - link : 0;
  if (change < 0 ? size >= now || now - size < least : packet_size() + size > kLongest)
    return error(kNotSupported);
  const size_t head = std::min<size_t>(offset, packet_size());
  if (change < 0) {
    if (flags & kEncap) return error(-EINVAL);
    uint8_t* data = packet_.buffer.data() + packet_.begin;
    if (head + size > packet_size()) return error(-ENOMEM);
    std::memmove(data + size, data, head);
    packet_.begin += size;
    return lay_packet(), 0;
  }
  if ((flags & kEncap3) == kEncap3 || (flags & kEncap4) == kEncap4) return error(-EINVAL);
  const uint64_t inner = flags >> BPF_ADJ_ROOM_ENCAP_L2_SHIFT & BPF_ADJ_ROOM_ENCAP_L2_MASK;
  if (flags & BPF_F_ADJ_ROOM_ENCAP_L2_ETH && inner < kEthernet) return error(-EINVAL);
  if (flags & kEncap && inner > size) return error(-EINVAL);
  if (size > packet_.begin) {
    const size_t more = size - packet_.begin;
    packet_.buffer.insert(packet_.buffer.begin(), more, 0);
    packet_.begin += more, packet_.end += more;
  }
  packet_.begin -= size;
  uint8_t* data = packet_.buffer.data() + packet_.begin;
  std::memmove(data, data + size, head);
  std::memset(data + head, 0, size);
  if (flags & BPF_F_ADJ_ROOM_ENCAP_L3_IPV4) protocol = kProtocol4;
  if (flags & BPF_F_ADJ_ROOM_ENCAP_L3_IPV6) protocol = kProtocol6;
  std::memcpy(context_.data() + kProtocolField, &protocol, 2);
  return lay_packet(), 0;
}

uint64_t World::adjust_head() {
  const int64_t begin = static_cast<int64_t>(packet_.begin) + static_cast<int32_t>(arg(2));
  if (begin < static_cast<int64_t>(kFrameHead) ||
      begin > static_cast<int64_t>(packet_.end) - static_cast<int64_t>(kEthernet))
    return error(-EINVAL);
  packet_.begin = static_cast<size_t>(begin);
  return lay_packet(), 0;
}

uint64_t World::adjust_tail() {
  const int64_t end = static_cast<int64_t>(packet_.end) + static_cast<int32_t>(arg(2));
  if (end > static_cast<int64_t>(packet_.buffer.size() - kTailroom) ||
      end < static_cast<int64_t>(packet_.begin + kEthernet))
    return error(-EINVAL);
  const size_t now = static_cast<size_t>(end);
  if (now > packet_.end) std::memset(packet_.buffer.data() + packet_.end, 0, now - packet_.end);
  packet_.end = now;
  return lay_packet(), 0;
}

// As with a driver that keeps no metadata.
uint64_t World::adjust_meta() { return error(kNotSupported); }
uint64_t World::buffer_length() { return packet_size(); }

uint64_t World::xdp_load() {
  const uint64_t offset = static_cast<uint32_t>(arg(2)), size = static_cast<uint32_t>(arg(4));
  const uint8_t* from = offset > 0xffff || size > 0xffff ? nullptr : packet_at(offset, size);
  if (!from) return error(-EINVAL);
  return write(arg(3), from, size, "the buffer"), 0;
}

uint64_t World::xdp_store() {
  const uint64_t offset = static_cast<uint32_t>(arg(2)), size = static_cast<uint32_t>(arg(4));
  uint8_t* to = offset > 0xffff || size > 0xffff ? nullptr : packet_at(offset, size);
  if (!to) return error(-EINVAL);
  return read(arg(3), to, size, "the buffer"), 0;
}

uint64_t World::csum_diff() {
  const uint64_t from_size = static_cast<uint32_t>(arg(2)), to_size = static_cast<uint32_t>(arg(4));
  const uint32_t seed = static_cast<uint32_t>(arg(5));
  if (from_size % 4 || to_size % 4) return error(-EINVAL);
  std::vector<uint8_t> from(std::min<uint64_t>(from_size, 1 << 20)), to(std::min<uint64_t>(to_size, 1 << 20));
  if (!read(arg(1), from.data(), from.size(), "the old bytes")) return 0;
  if (!read(arg(3), to.data(), to.size(), "the new bytes")) return 0;
  uint32_t sum = seed;
  if (from_size && to_size)
    sum = add32(sum_of(to, seed), ~sum_of(from, 0));
  else if (to_size)
    sum = sum_of(to, seed);
  else if (from_size)
    sum = ~sum_of(from, ~seed);
  sum += sum >> 16 | sum << 16;
  return sum >> 16;
}

uint64_t World::csum_update() { return error(kNotSupported); }

uint64_t World::l3_csum() {
  const uint64_t offset = static_cast<uint32_t>(arg(2)), flags = arg(5);
  const uint32_t from = static_cast<uint32_t>(arg(3)), to = static_cast<uint32_t>(arg(4));
  if (flags & ~uint64_t{BPF_F_HDR_FIELD_MASK}) return error(-EINVAL);
  uint8_t* at = offset > 0xffff || offset & 1 ? nullptr : packet_at(offset, 2);
  if (!at) return error(-EFAULT);
  uint16_t check = 0;
  std::memcpy(&check, at, 2);
  switch (flags & BPF_F_HDR_FIELD_MASK) {
    case 0:
      if (from) return error(-EINVAL);
      check = from_change(check, to);
      break;
    case 2: check = replaced2(check, static_cast<uint16_t>(from), static_cast<uint16_t>(to)); break;
    case 4: check = replaced4(check, from, to); break;
    default: return error(-EINVAL);
  }
  std::memcpy(at, &check, 2);
  return 0;
}

uint64_t World::l4_csum() {
  const uint64_t offset = static_cast<uint32_t>(arg(2)), flags = arg(5);
  const uint32_t from = static_cast<uint32_t>(arg(3)), to = static_cast<uint32_t>(arg(4));
  constexpr uint64_t kIpv6 = 0x80;
  constexpr uint64_t kKnown =
      BPF_F_MARK_MANGLED_0 | BPF_F_MARK_ENFORCE | BPF_F_PSEUDO_HDR | BPF_F_HDR_FIELD_MASK | kIpv6;
  if (flags & ~kKnown) return error(-EINVAL);
  uint8_t* at = offset > 0xffff || offset & 1 ? nullptr : packet_at(offset, 2);
  if (!at) return error(-EFAULT);
  uint16_t check = 0;
  std::memcpy(&check, at, 2);
  if (flags & BPF_F_MARK_MANGLED_0 && !(flags & BPF_F_MARK_ENFORCE) && !check) return 0;
  switch (flags & BPF_F_HDR_FIELD_MASK) {
    case 0:
      if (from) return error(-EINVAL);
      check = from_change(check, to);
      break;
    case 2: check = replaced4(check, static_cast<uint16_t>(from), static_cast<uint16_t>(to)); break;
    case 4: check = replaced4(check, from, to); break;
    default: return error(-EINVAL);
  }
  if (flags & BPF_F_MARK_MANGLED_0 && !check) check = 0xffff;
  std::memcpy(at, &check, 2);
  return 0;
}

uint64_t World::redirect() {
  constexpr uint64_t kShot = 2, kRedirect = 7;  // TC_ACT_*
  const uint64_t index = arg(1), flags = arg(2);
  if (flags & ~(is_xdp() ? uint64_t{0} : uint64_t{BPF_F_INGRESS}))
    return is_xdp() ? uint64_t{XDP_ABORTED} : kShot;
  tell({.what = "bpf_redirect", .values = {index, flags}});
  return is_xdp() ? uint64_t{XDP_REDIRECT} : kRedirect;
}

uint64_t World::redirect_plain() {
  constexpr uint64_t kShot = 2, kRedirect = 7;
  const uint64_t index = arg(1), flags = arg(2);
  if (flags) return kShot;
  tell({.what = "bpf_redirect_peer", .values = {index}});
  return kRedirect;
}

// Only for programs that have a packet.
std::span<const World::Row> World::packet_rows() {
  static constexpr Row kRows[] = {
      {BPF_FUNC_skb_load_bytes, &World::load_bytes},
      {BPF_FUNC_skb_load_bytes_relative, &World::load_bytes_relative},
      {BPF_FUNC_skb_store_bytes, &World::store_bytes},
      {BPF_FUNC_skb_pull_data, &World::pull_data},
      {BPF_FUNC_skb_change_tail, &World::change_tail},
      {BPF_FUNC_skb_change_head, &World::change_head},
      {BPF_FUNC_skb_adjust_room, &World::adjust_room},
      {BPF_FUNC_xdp_adjust_head, &World::adjust_head},
      {BPF_FUNC_xdp_adjust_tail, &World::adjust_tail},
      {BPF_FUNC_xdp_adjust_meta, &World::adjust_meta},
      {BPF_FUNC_xdp_get_buff_len, &World::buffer_length},
      {BPF_FUNC_xdp_load_bytes, &World::xdp_load},
      {BPF_FUNC_xdp_store_bytes, &World::xdp_store},
      {BPF_FUNC_csum_update, &World::csum_update},
      {BPF_FUNC_l3_csum_replace, &World::l3_csum},
      {BPF_FUNC_l4_csum_replace, &World::l4_csum},
  };
  return kRows;
}

}  // namespace epass::world
