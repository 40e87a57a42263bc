#include "tool/map_file.h"

#include <linux/bpf.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/format.h"
#include "driver/files.h"

namespace epass::tool {

namespace {

using Json = nlohmann::json;

std::optional<uint8_t> byte_of(const Json& json) {
  if (json.is_number_unsigned() && json.get<uint64_t>() < 256)
    return static_cast<uint8_t>(json.get<uint64_t>());
  if (!json.is_string()) return std::nullopt;
  std::string text = json.get<std::string>();
  if (text.starts_with("0x")) text.erase(0, 2);
  uint8_t byte = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), byte, 16);
  return !text.empty() && end.ec == std::errc{} && end.ptr == text.data() + text.size() ? std::optional(byte)
                                                                                        : std::nullopt;
}

// `size` bytes: a list of bytes, hexadecimal digits, or a number, which is little-endian.
Result<std::vector<uint8_t>> bytes_of(const Json& json, uint32_t size, const char* what) {
  std::vector<uint8_t> bytes;
  if (json.is_array()) {
    for (const Json& item : json) {
      const auto byte = byte_of(item);
      if (!byte) return fail("map-file", format("a {} has `{}` where a byte belongs", what, item.dump()));
      bytes.push_back(*byte);
    }
  } else if (json.is_string()) {
    std::string digits = json.get<std::string>();
    if (digits.starts_with("0x")) digits.erase(0, 2);
    std::erase(digits, ' ');
    for (size_t at = 0; at < digits.size(); at += 2) {
      uint8_t byte = 0;
      const char* end = digits.data() + std::min(at + 2, digits.size());
      const auto parsed = std::from_chars(digits.data() + at, end, byte, 16);
      if (parsed.ec != std::errc{} || parsed.ptr != end || at + 2 > digits.size())
        return fail("map-file", format("a {} is `{}`, which is no pairs of hexadecimal digits", what,
                                       json.get<std::string>()));
      bytes.push_back(byte);
    }
  } else if (json.is_number_integer()) {
    const uint64_t number =
        json.is_number_unsigned() ? json.get<uint64_t>() : static_cast<uint64_t>(json.get<int64_t>());
    const bool negative = !json.is_number_unsigned() && json.get<int64_t>() < 0;
    bytes.assign(size, negative ? 0xff : 0);
    for (uint32_t n = 0; n < std::min(size, 8u); ++n) bytes[n] = static_cast<uint8_t>(number >> 8 * n);
    if (size < 8 && !negative && number >> 8 * size)
      return fail("map-file", format("the number {} does not fit in a {} of {} bytes", number, what, size));
  } else {
    return fail("map-file", format("a {} is `{}`", what, json.dump()));
  }
  if (bytes.size() != size)
    return fail("map-file", format("a {} of {} bytes, where the map has {}", what, bytes.size(), size));
  return bytes;
}

bool holds_names(uint32_t type) {
  return type == BPF_MAP_TYPE_PROG_ARRAY || type == BPF_MAP_TYPE_ARRAY_OF_MAPS ||
         type == BPF_MAP_TYPE_HASH_OF_MAPS;
}

Result<world::Entry> entry_of(const Json& json, const maps::Spec& spec) {
  if (!json.is_object()) return fail("map-file", format("`{}` is no entry", json.dump()));
  world::Entry entry;
  if (spec.key_size) {
    if (!json.contains("key")) return fail("map-file", "an entry has no `key`");
    auto key = bytes_of(json["key"], spec.key_size, "key");
    if (!key) return fail(key.error());
    entry.key = std::move(*key);
  }
  // What `bpftool map dump -j` says of per-CPU maps: the first CPU is the only one here.
  const Json* value = json.contains("value") ? &json["value"] : nullptr;
  if (!value && json.contains("values") && json["values"].is_array() && !json["values"].empty() &&
      json["values"][0].is_object() && json["values"][0].contains("value"))
    value = &json["values"][0]["value"];
  if (!value) return fail("map-file", "an entry has no `value`");
  if (holds_names(spec.type)) {
    if (!value->is_string())
      return fail("map-file", format("a value of `{}` is the name of a program or map", spec.name));
    entry.name = value->get<std::string>();
    return entry;
  }
  auto bytes = bytes_of(*value, spec.value_size, "value");
  if (!bytes) return fail(bytes.error());
  entry.value = std::move(*bytes);
  return entry;
}

Result<std::vector<world::Entry>> entries_of(const Json& list, const maps::Spec& spec) {
  std::vector<world::Entry> entries;
  for (const Json& item : list) {
    auto entry = entry_of(item, spec);
    if (!entry) {
      Error error = entry.error();
      error.message = format("entry {}: {}", entries.size(), error.message);
      return fail(error);
    }
    entries.push_back(std::move(*entry));
  }
  return entries;
}

// Values one after the other: of arrays from index 0 on, of queues and stacks in the order of pushes.
Result<std::vector<world::Entry>> raw_entries(const std::vector<uint8_t>& bytes, const maps::Spec& spec) {
  const bool keyed =
      spec.key_size == 4 && (spec.type == BPF_MAP_TYPE_ARRAY || spec.type == BPF_MAP_TYPE_PERCPU_ARRAY);
  if ((!keyed && spec.key_size) || !spec.value_size || holds_names(spec.type))
    return fail("map-file",
                "the file is no JSON list of entries, and only arrays and queues take raw values");
  if (bytes.size() % spec.value_size)
    return fail("map-file",
                format("{} bytes are no whole number of values of {} bytes", bytes.size(), spec.value_size));
  std::vector<world::Entry> entries;
  for (size_t at = 0; at < bytes.size(); at += spec.value_size) {
    world::Entry entry;
    const uint32_t index = static_cast<uint32_t>(entries.size());
    entry.key.resize(spec.key_size);
    if (keyed) std::memcpy(entry.key.data(), &index, 4);
    entry.value.assign(bytes.begin() + static_cast<ptrdiff_t>(at),
                       bytes.begin() + static_cast<ptrdiff_t>(at + spec.value_size));
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace

Result<std::vector<world::Entry>> read_map_file(const std::string& path, const maps::Spec& spec) {
  auto bytes = driver::read_file(path);
  if (!bytes) return fail(bytes.error());
  const Json json = Json::parse(bytes->begin(), bytes->end(), nullptr, false);
  const bool list = json.is_array() && (json.empty() || json[0].is_object());
  auto entries = list ? entries_of(json, spec) : raw_entries(*bytes, spec);
  if (entries) return entries;
  Error error = entries.error();
  error.where.object = path;
  error.help = "a list such as [{\"key\": \"01000000\", \"value\": 7}]; docs/vm.md shows all forms";
  return fail(error);
}

}  // namespace epass::tool
