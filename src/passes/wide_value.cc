#include "passes/wide_value.h"

#include "ir/builder.h"

namespace epass {
namespace {

using Kind = ByteSource::Kind;

// The constant that these bytes are, as an instruction's immediate would be extended.
std::optional<int64_t> constant_of(std::span<const ByteSource> bytes) {
  uint64_t c = 0;
  for (size_t n = 0; n < bytes.size(); ++n) {
    if (bytes[n].kind != Kind::kConstant) return {};
    c |= uint64_t{bytes[n].byte} << 8 * n;
  }
  return bytes.size() == 4 ? int64_t(int32_t(c)) : int64_t(c);
}

// 1 if the bytes are of one value and go up one by one, -1 if they go down, 0 otherwise.
int direction_of(std::span<const ByteSource> bytes) {
  const int direction = int(bytes[1].byte) - int(bytes[0].byte);
  for (size_t n = 1; n < bytes.size(); ++n) {
    if (bytes[n].kind != Kind::kValue || bytes[n].value != bytes[0].value) return 0;
    if (int(bytes[n].byte) - int(bytes[n - 1].byte) != direction) return 0;
  }
  return direction == 1 || direction == -1 ? direction : 0;
}

}  // namespace

Value WideValue::make(std::span<const ByteSource> bytes, size_t stores, Inst at) const {
  const ByteSource& low = bytes[0];
  if (const auto c = constant_of(bytes)) {
    // A number of 64 bits takes two records and one more to store it; two halves take two.
    return *c == int32_t(*c) || bytes.size() < 8 ? Builder::before(fn, at).constant(*c) : Value{};
  }
  if (low.kind == Kind::kConstant) return {};
  if (const auto run = find_load_run(fn, memory, order, bytes, alignment))
    return run->swapped && stores < 3 ? Value{} : load(*run, at);
  const int direction = direction_of(bytes);
  if (direction == 1 && low.byte == 0) return low.value;
  if (direction == -1 && low.byte + 1u == bytes.size() && stores > 2)
    return swap(low.value, bytes.size(), at);
  return {};
}

Value WideValue::load(const LoadRun& run, Inst at) const {
  const Value v = Builder::before(fn, run.first).load(run.size, fn.operand(run.first, 0), run.offset);
  return run.swapped ? swap(v, bytes_of(run.size), at) : v;
}

Value WideValue::swap(Value v, size_t bytes, Inst at) const {
  constexpr Opcode kSwap[] = {Opcode::Be16, Opcode::Be32, Opcode::Be64};
  return Builder::before(fn, at).unary(kSwap[bytes / 4], Width::k64, v);
}

}  // namespace epass
