// Helpers of strings, and reads of memory that may not be there.

#include <linux/bpf.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

#include "base/format.h"
#include "world/world.h"

namespace epass::world {

namespace {
constexpr uint64_t kMaxText = 4096, kMaxArguments = 12;
uint64_t error(int number) { return static_cast<uint64_t>(static_cast<int64_t>(number)); }
}  // namespace

// What the kernel's formats mean; none: it refuses this one.
std::optional<std::string> World::formatted(const std::string& text, std::span<const uint64_t> values) {
  std::string out;
  size_t next = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      out.push_back(text[at]);
      continue;
    }
    if (++at >= text.size()) return std::nullopt;
    if (text[at] == '%') {
      out.push_back('%');
      continue;
    }
    bool left = false, zeros = false;
    size_t width = 0;
    int longs = 0;
    for (; at < text.size() && std::strchr("-0+ #", text[at]); ++at)
      left |= text[at] == '-', zeros |= text[at] == '0';
    for (; at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])); ++at)
      width = std::min<size_t>(width * 10 + static_cast<size_t>(text[at] - '0'), 256);
    for (; at < text.size() && text[at] == 'l'; ++at) ++longs;
    if (at >= text.size() || next >= values.size()) return std::nullopt;
    const uint64_t raw = values[next++];
    const uint64_t value = longs ? raw : static_cast<uint32_t>(raw);
    std::string word;
    switch (text[at]) {
      case 'd':
      case 'i':
        word = longs ? format("{}", static_cast<int64_t>(raw)) : format("{}", static_cast<int32_t>(raw));
        break;
      case 'u': word = format("{}", value); break;
      case 'x': word = format("{:x}", value); break;
      case 'X': word = format("{:X}", value); break;
      case 'c': word = std::string(1, static_cast<char>(raw)); break;
      case 'p':
        // %pks and %pus are strings of the kernel and of the task; the rest are addresses in some form.
        if (text.compare(at, 3, "pks") == 0 || text.compare(at, 3, "pus") == 0) {
          auto string = read_string(raw, kMaxText);
          word = string ? *string : "";
          at += 2;
        } else {
          word = format("{:016x}", raw);
          while (at + 1 < text.size() && std::isalnum(static_cast<unsigned char>(text[at + 1]))) ++at;
        }
        break;
      case 's': {
        auto string = read_string(raw, kMaxText);
        word = string ? *string : "";
        break;
      }
      default: return std::nullopt;
    }
    if (word.size() < width) {
      if (left)
        word.append(width - word.size(), ' ');
      else
        word.insert(word.starts_with('-') && zeros ? 1 : 0, width - word.size(), zeros ? '0' : ' ');
    }
    out += word;
    if (out.size() > kMaxText) return out;
  }
  return out;
}

uint64_t World::trace_printk() {
  const auto text = read_string(arg(1), std::min<uint64_t>(static_cast<uint32_t>(arg(2)), kMaxText));
  if (!text) return machine_->fail("the format lies outside memory", arg(1));
  // As many as the format needs: the others may never have been written.
  std::vector<uint64_t> values;
  size_t wanted = 0;
  for (size_t at = 0; at + 1 < text->size(); ++at)
    if ((*text)[at] == '%') wanted += (*text)[++at] != '%';
  for (int k = 3; k <= 5 && values.size() < wanted; ++k) values.push_back(arg(k));
  const auto line = formatted(*text, values);
  if (!line) return error(-EINVAL);
  tell({.what = "bpf_trace_printk", .text = *line});
  return line->size();
}

uint64_t World::trace_vprintk() {
  const auto text = read_string(arg(1), std::min<uint64_t>(static_cast<uint32_t>(arg(2)), kMaxText));
  const uint64_t size = static_cast<uint32_t>(arg(4));
  if (size % 8 || size > kMaxArguments * 8 || (size && !arg(3))) return error(-EINVAL);
  std::vector<uint64_t> values(size / 8);
  if (!text) return machine_->fail("the format lies outside memory", arg(1));
  if (!read(arg(3), values.data(), size, "the arguments")) return 0;
  const auto line = formatted(*text, values);
  if (!line) return error(-EINVAL);
  tell({.what = "bpf_trace_vprintk", .text = *line});
  return line->size();
}

uint64_t World::snprintf() {
  const uint64_t room = static_cast<uint32_t>(arg(2)), size = static_cast<uint32_t>(arg(5));
  if (size % 8 || size > kMaxArguments * 8 || (size && !arg(4))) return error(-EINVAL);
  std::vector<uint64_t> values(size / 8);
  const auto text = read_string(arg(3), kMaxText);
  if (!text) return machine_->fail("the format lies outside memory", arg(3));
  if (!read(arg(4), values.data(), size, "the arguments")) return 0;
  auto line = formatted(*text, values);
  if (!line) return error(-EINVAL);
  if (room) {
    const size_t fits = std::min<size_t>(line->size(), room - 1);
    if (!write(arg(1), line->substr(0, fits).c_str(), fits + 1, "the text")) return 0;
  }
  return line->size() + 1;
}

// The number of bytes that were read, or an error.
int64_t World::parse(uint64_t& value, bool& negative) {
  constexpr uint64_t kBases = 0x1f, kLongest = 63;
  const uint64_t size = arg(2), flags = arg(3);
  uint64_t base = flags & kBases;
  if (!arg(1) || !size || !arg(4) || flags & ~kBases) return -EINVAL;
  if (base != 0 && base != 8 && base != 10 && base != 16) return -EINVAL;
  std::string text(std::min<uint64_t>(size, kMaxText), '\0');
  if (!read(arg(1), text.data(), text.size(), "the text")) return 0;
  size_t at = 0;
  while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at]))) ++at;
  negative = at < text.size() && text[at] == '-';
  at += negative;
  if (at >= text.size()) return -EINVAL;
  const size_t end = std::min(text.size(), at + kLongest);
  auto digit = [&](size_t n) -> uint64_t {
    const unsigned char c = n < end ? static_cast<unsigned char>(text[n]) : 0;
    if (c >= '0' && c <= '9') return c - uint64_t{'0'};
    const unsigned char lower = static_cast<unsigned char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - uint64_t{'a'} + 10 : 99;
  };
  const bool hex = digit(at) == 0 && at + 1 < end && (text[at + 1] | 0x20) == 'x';
  if (base == 0) base = digit(at) != 0 ? 10 : hex && digit(at + 2) < 16 ? 16 : 8;
  if (base == 16 && hex) at += 2;
  const size_t first = at;
  bool overflow = false;
  for (value = 0; digit(at) < base; ++at) {
    uint64_t next = 0;
    overflow |= __builtin_mul_overflow(value, base, &next) || __builtin_add_overflow(next, digit(at), &next);
    value = next;
  }
  if (overflow) return -ERANGE;
  return at == first ? -EINVAL : static_cast<int64_t>(at);
}

uint64_t World::strtol() {
  uint64_t value = 0;
  bool negative = false;
  const int64_t read_bytes = parse(value, negative);
  if (machine_->stopped() || read_bytes < 0) return static_cast<uint64_t>(read_bytes);
  if (negative ? value > uint64_t{1} << 63 : value >> 63) return error(-ERANGE);
  if (negative) value = 0 - value;
  return write(arg(4), &value, 8, "the number") ? static_cast<uint64_t>(read_bytes) : 0;
}

uint64_t World::strtoul() {
  uint64_t value = 0;
  bool negative = false;
  const int64_t read_bytes = parse(value, negative);
  if (machine_->stopped() || read_bytes < 0) return static_cast<uint64_t>(read_bytes);
  if (negative) return error(-EINVAL);
  return write(arg(4), &value, 8, "the number") ? static_cast<uint64_t>(read_bytes) : 0;
}

uint64_t World::strncmp() {
  const uint64_t size = static_cast<uint32_t>(arg(2));
  for (uint64_t n = 0; n < std::min(size, kMaxText); ++n) {
    uint8_t a = 0, b = 0;
    if (!read(arg(1) + n, &a, 1, "the first text") || !read(arg(3) + n, &b, 1, "the second text")) return 0;
    if (a != b) return a < b ? error(-1) : 1;
    if (!a) break;
  }
  return 0;
}

uint64_t World::probe_read() {
  const uint64_t to = arg(1), from = arg(3);
  const uint64_t size = static_cast<uint32_t>(arg(2));
  if (!readable(to, size, "the buffer")) return 0;
  std::vector<uint8_t> bytes(size);
  const bool ok = memory().read(from, bytes.data(), size);
  if (!ok) std::ranges::fill(bytes, uint8_t{0});
  return write(to, bytes.data(), size, "the buffer") && !ok ? error(-EFAULT) : 0;
}

uint64_t World::probe_read_str() {
  const uint64_t to = arg(1), from = arg(3);
  const uint64_t size = std::min<uint64_t>(static_cast<uint32_t>(arg(2)), 1 << 20);
  if (!size) return 0;
  auto text = read_string(from, size);
  if (!text) {
    const std::vector<uint8_t> zeros(size);
    return write(to, zeros.data(), size, "the buffer") ? error(-EFAULT) : 0;
  }
  if (text->size() >= size) text->resize(size - 1);
  return write(to, text->c_str(), text->size() + 1, "the buffer") ? text->size() + 1 : 0;
}

uint64_t World::current_comm() {
  const uint64_t size = static_cast<uint32_t>(arg(2));
  std::string name = format("task-{}", vm::mix(setup_.seed, 0xc033) % 1000);
  name.resize(std::min<uint64_t>(size, 16));
  if (!name.empty()) name.back() = 0;
  return write(arg(1), name.data(), name.size(), "the buffer"), 0;
}

std::span<const World::Row> World::text_rows() {
  static constexpr Row kRows[] = {
      {BPF_FUNC_trace_printk, &World::trace_printk},
      {BPF_FUNC_trace_vprintk, &World::trace_vprintk},
      {BPF_FUNC_snprintf, &World::snprintf},
      {BPF_FUNC_strtol, &World::strtol},
      {BPF_FUNC_strtoul, &World::strtoul},
      {BPF_FUNC_strncmp, &World::strncmp},
      {BPF_FUNC_probe_read, &World::probe_read},
      {BPF_FUNC_probe_read_user, &World::probe_read},
      {BPF_FUNC_probe_read_kernel, &World::probe_read},
      {BPF_FUNC_copy_from_user, &World::probe_read},
      {BPF_FUNC_probe_read_str, &World::probe_read_str},
      {BPF_FUNC_probe_read_user_str, &World::probe_read_str},
      {BPF_FUNC_probe_read_kernel_str, &World::probe_read_str},
      {BPF_FUNC_get_current_comm, &World::current_comm},
  };
  return kRows;
}

}  // namespace epass::world
