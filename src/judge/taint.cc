// Bits of the input on their way to comparisons.

#include "judge/taint.h"

#include <algorithm>

#include "judge/world.h"
#include "vm/places.h"

namespace epass::judge {

using namespace bpf;

namespace {

constexpr int kTriesPerBranch = 6;
constexpr size_t kMaxSources = 1 << 16, kMaxFrames = 32;

bool is_stack(uint64_t address) { return address >= vm::kStackBase && address >> 48 == 0; }

}  // namespace

Taint::Shadow Taint::source(bool is_answer, uint64_t address, uint32_t size, uint64_t value) {
  Shadow out;
  if (sources_.size() > kMaxSources) return out;
  out.any = true;
  for (uint32_t n = 0; n < size; ++n) {
    const uint32_t first = uint32_t(sources_.size()) * 8 + 1;
    sources_.push_back({is_answer, is_answer ? address : address + n, uint8_t(n), uint8_t(value >> 8 * n)});
    for (uint32_t bit = 0; bit < 8; ++bit) out.bits[n * 8 + bit] = first + bit;
  }
  return out;
}

void Taint::answered(uint64_t call, uint64_t value) {
  if (!frames_.empty()) frames_.back().registers[0] = source(true, call, 8, value);
}

void Taint::filled(uint64_t to, uint64_t from, uint32_t size) {
  for (auto it = memory_.lower_bound(to); it != memory_.end() && it->first < to + size;)
    it = memory_.erase(it);
  if (size) filled_[to] = {from, size};
}

void Taint::store(uint64_t address, uint32_t size, const Shadow& value) {
  for (uint32_t n = 0; n < size; ++n) {
    // Whole bytes only.
    const uint32_t first = value.any && !value.addend ? value.bits[n * 8] : 0;
    bool whole = first && (first - 1) % 8 == 0;
    for (uint32_t bit = 1; bit < 8; ++bit) whole &= value.bits[n * 8 + bit] == first + bit;
    memory_[address + n] = whole ? first : 0;
  }
}

Taint::Shadow Taint::load(uint64_t address, uint32_t size) {
  Shadow out;
  bool written = false;
  for (uint32_t n = 0; n < size; ++n) {
    auto it = memory_.find(address + n);
    if (it == memory_.end()) continue;
    written = true;
    if (!it->second) continue;
    out.any = true;
    for (uint32_t bit = 0; bit < 8; ++bit) out.bits[n * 8 + bit] = it->second + bit;
  }
  if (written) return out;
  pending_size_ = size;
  auto it = filled_.upper_bound(address);
  if (it != filled_.begin() && address - std::prev(it)->first < std::prev(it)->second.second) {
    pending_address_ = std::prev(it)->second.first + (address - std::prev(it)->first);
    return out;
  }
  if (is_stack(address)) {
    pending_size_ = 0;
    return out;
  }
  if (vm::is_in(address, vm::kDataBase, vm::kHeapBase)) {
    const uint64_t symbol = vm::region_number(vm::kDataBase, address);
    if (symbol < program_.symbols.size() && !is_writable_data(program_.symbols[SymbolId{uint32_t(symbol)}]))
      pending_size_ = 0;
  }
  pending_address_ = address;
  return out;
}

void Taint::settle(const uint64_t* registers) {
  if (pending_register_ < 0 || frames_.empty()) return;
  Shadow& to = frames_.back().registers[size_t(pending_register_)];
  uint64_t value = registers[pending_register_];
  if (pending_big_) {
    uint64_t swapped = 0;
    for (uint32_t n = 0; n < pending_size_; ++n) swapped = swapped << 8 | (value >> 8 * n & 0xff);
    value = swapped;
  }
  to = source(false, pending_address_, pending_size_, value);
  if (pending_big_)
    for (uint32_t n = 0; n < pending_size_ / 2; ++n)
      std::swap_ranges(to.bits.begin() + n * 8, to.bits.begin() + n * 8 + 8,
                       to.bits.begin() + (pending_size_ - 1 - n) * 8);
  pending_register_ = -1;
}

void Taint::alu(Frame& frame, Insn insn, const uint64_t* registers) {
  Shadow& d = frame.registers[insn.dst()];
  const bool wide = insn.cls() == kAlu64, from_register = insn.code & kX;
  const uint8_t op = insn.code & 0xf0;
  const Shadow s = from_register && op != kEnd && op != kNeg ? frame.registers[insn.src()] : Shadow{};
  const uint64_t y = from_register ? registers[insn.src()] : uint64_t(int64_t(insn.imm));
  const uint64_t x = registers[insn.dst()];
  auto narrow = [&] {
    if (!wide) std::fill(d.bits.begin() + 32, d.bits.end(), 0u), d.addend = uint32_t(d.addend);
  };
  auto each = [&](auto bit_of) {
    const Shadow old = d;
    if (old.addend) return void(d = {});
    for (uint32_t n = 0; n < 64; ++n) d.bits[n] = bit_of(old, n);
  };
  if (op == kMov) {
    d = s;
    if (from_register && insn.off > 1)
      for (uint32_t n = uint32_t(insn.off); n < 64; ++n) d.bits[n] = d.bits[size_t(insn.off) - 1];
    return narrow();
  }
  if (op == kEnd) {
    const uint32_t width = uint32_t(insn.imm);
    const bool swap = wide || from_register;
    each([&](const Shadow& old, uint32_t n) {
      if (n >= width) return uint32_t{0};
      return swap ? old.bits[width - 8 - (n & ~7u) + (n & 7)] : old.bits[n];
    });
    return;
  }
  const uint32_t shift = uint32_t(y) & (wide ? 63 : 31);
  switch (op) {
    case kAnd:
      if (!s.any)
        each([&](const Shadow& old, uint32_t n) { return y >> n & 1 ? old.bits[n] : 0; });
      else if (!d.any)
        d = s, each([&](const Shadow& old, uint32_t n) { return x >> n & 1 ? old.bits[n] : 0; });
      else
        d = {};
      break;
    case kAdd:
    case kOr:
    case kXor:
      if (d.any && s.any) {
        if (d.addend || s.addend)
          d = {};
        else
          each([&](const Shadow& old, uint32_t n) { return old.bits[n] ? old.bits[n] : s.bits[n]; });
      } else if (op == kAdd) {
        if (s.any)
          d = s, d.addend += x;
        else if (d.any)
          d.addend += y;
      } else if (s.any) {
        d = s;
        if (d.addend) d = {};
      } else if (d.addend) {
        d = {};
      }
      break;
    case kSub:
      if (s.any)
        d = {};
      else if (d.any)
        d.addend -= y;
      break;
    case kLsh:
      each([&](const Shadow& old, uint32_t n) { return n >= shift ? old.bits[n - shift] : 0; });
      break;
    case kRsh:
      narrow();
      each([&](const Shadow& old, uint32_t n) { return n + shift < 64 ? old.bits[n + shift] : 0; });
      break;
    case kArsh: {
      const uint32_t top = wide ? 63 : 31;
      each([&](const Shadow& old, uint32_t n) { return old.bits[std::min(n + shift, top)]; });
      break;
    }
    default: d = {}; break;
  }
  narrow();
}

void Taint::propose(Place place, const Shadow& shadow, uint64_t now, uint64_t wanted, uint32_t width) {
  if (!shadow.any) return;
  Hint hint{.branch = place};
  const uint64_t mask = width == 64 ? ~uint64_t{0} : 0xffffffff;
  uint64_t flips = ((now - shadow.addend) ^ (wanted - shadow.addend)) & mask;
  std::map<uint32_t, uint8_t> changed;  // by source
  for (uint32_t n = 0; n < 64; ++n) {
    if (!(flips >> n & 1)) continue;
    if (!shadow.bits[n]) return;
    const uint32_t source = (shadow.bits[n] - 1) / 8;
    changed[source] = uint8_t(changed[source] | 1u << (shadow.bits[n] - 1) % 8);
  }
  for (const auto& [number, bits] : changed) {
    const Source& s = sources_[number];
    if (!s.is_answer) {
      hint.bytes[s.address] = s.value ^ bits;
      continue;
    }
    auto [it, is_new] = hint.answers.try_emplace(s.address, 0);
    if (is_new)
      for (uint32_t n = 0; n < 8; ++n) it->second |= uint64_t(sources_[number - s.byte + n].value) << 8 * n;
    it->second ^= uint64_t(bits) << 8 * s.byte;
  }
  hints_.push_back(std::move(hint));
}

void Taint::branch(const Frame& frame, Place place, Insn insn, const uint64_t* registers) {
  const uint32_t width = insn.cls() == kJmp ? 64 : 32;
  const bool from_register = insn.code & kX;
  const uint64_t x = registers[insn.dst()],
                 y = from_register ? registers[insn.src()] : uint64_t(int64_t(insn.imm));
  const bool taken = jumps(insn, x, y);
  if (coverage_.has_branch(place.function, place.insn, !taken)) return;
  int& tries = tries_[{place.function.index, place.insn}];
  if (++tries > kTriesPerBranch) return;
  // Packets that are long or short enough.
  const uint64_t end = vm::kPacketBase + packet_size;
  auto in_packet = [&](uint64_t v) { return v >= vm::kPacketBase && v <= vm::kPacketBase + 65536; };
  if (packet_size && from_register && in_packet(x) && in_packet(y) && (x == end || y == end)) {
    const uint64_t needed = (x == end ? y : x) - vm::kPacketBase;
    for (uint64_t size : {needed, needed ? needed - 1 : 0, needed + 1})
      if (jumps(insn, x == end ? vm::kPacketBase + size : x, y == end ? vm::kPacketBase + size : y) != taken)
        hints_.push_back({.branch = place, .packet_size = size});
    return;
  }
  auto side = [&](const Shadow& shadow, uint64_t mine, uint64_t other, bool is_left) {
    if (!shadow.any) return;
    int found = 0;
    auto offer = [&](uint64_t v) {
      if (found >= 3 || jumps(insn, is_left ? v : x, is_left ? y : v) == taken) return;
      const size_t before = hints_.size();
      propose(place, shadow, mine, v, width);
      found += hints_.size() > before;
    };
    if ((insn.code & 0xf0) == kJset)
      for (uint32_t n = 0; n < width; ++n)
        if (other >> n & 1) offer(taken ? mine & ~other : mine | uint64_t{1} << n);
    for (uint64_t v : {other, other + 1, other - 1, uint64_t{0}, uint64_t{1}, ~uint64_t{0}, mine ^ 1})
      offer(v);
    for (uint32_t n = 0; n < width && !found; ++n) offer(mine ^ uint64_t{1} << n);
  };
  side(frame.registers[insn.dst()], x, y, true);
  if (from_register) side(frame.registers[insn.src()], y, x, false);
}

void Taint::at(FunctionId function, uint32_t at, const uint64_t* registers) {
  if (frames_.empty() || frames_.back().pointer != registers[kFrameRegister]) {
    pending_register_ = -1;
    auto known = std::ranges::find(frames_, registers[kFrameRegister], &Frame::pointer);
    if (known != frames_.end() && at != 0) {
      // Back from a call.
      const Shadow result = frames_.back().registers[0];
      frames_.erase(known + 1, frames_.end());
      frames_.back().registers[0] = result;
    } else {
      if (known != frames_.end()) frames_.erase(known, frames_.end());
      Frame fresh{.pointer = registers[kFrameRegister]};
      if (!frames_.empty())
        for (size_t n = 1; n <= 5; ++n) fresh.registers[n] = frames_.back().registers[n];
      if (frames_.size() < kMaxFrames) frames_.push_back(std::move(fresh));
    }
  }
  settle(registers);
  Frame& frame = frames_.back();
  const bpf::Function& fn = program_.functions[function];
  const Insn insn = fn.insns[at];
  auto& shadows = frame.registers;
  if (insn.dst() > 10 || insn.src() > 10) return;
  switch (insn.cls()) {
    case kAlu:
    case kAlu64: return alu(frame, insn, registers);
    case kLd:
      if (is_ld_imm64(insn)) {
        shadows[insn.dst()] = {};
        return;
      }
      shadows[0] = {};
      pending_register_ = 0, pending_big_ = true, pending_size_ = access_bytes(insn.code);
      pending_address_ = vm::kPacketBase + uint32_t(insn.imm) +
                         ((insn.code & 0xe0) == kInd ? uint32_t(registers[insn.src()]) : 0);
      return;
    case kLdx: {
      pending_size_ = 0;
      const uint64_t address = registers[insn.src()] + uint64_t(int64_t(insn.off));
      shadows[insn.dst()] = load(address, access_bytes(insn.code));
      pending_register_ = pending_size_ ? insn.dst() : -1, pending_big_ = false;
      return;
    }
    case kSt: store(registers[insn.dst()] + uint64_t(int64_t(insn.off)), access_bytes(insn.code), {}); return;
    case kStx: {
      const bool atomic = (insn.code & 0xe0) == kAtomic;
      store(registers[insn.dst()] + uint64_t(int64_t(insn.off)), access_bytes(insn.code),
            atomic ? Shadow{} : shadows[insn.src()]);
      if (atomic && insn.imm & kFetch) shadows[insn.imm == kCmpxchg ? 0 : insn.src()] = {};
      return;
    }
    default: break;
  }
  if (insn.code == kCodeCall || insn.code == kCodeCallx) {
    shadows[0] = {};
    return;
  }
  if (is_conditional_jump(insn.code) && insn.code != kCodeMayGoto)
    branch(frame, {function, at}, insn, registers);
}

}  // namespace epass::judge
