// Jumps of compiled code: as short as they can be, which takes a second time through.
#if defined(__x86_64__)

#include <algorithm>
#include <cstring>

#include "vm/jit_compiler.h"

namespace epass::vm {

namespace {
// How far a jump may be from an island the first time, when all of them are long.
constexpr size_t kReach = 120;
constexpr int kLastPass = 5;
enum InIsland : uint8_t { kNowhere, kBehind, kBefore };

bool is_near(int64_t distance) { return distance >= -128 && distance <= 127; }
}  // namespace

void JitCompiler::set_distance(size_t from, size_t to) {
  const uint32_t distance = uint32_t(to - (from + 4));
  std::memcpy(const_cast<uint8_t*>(getCode()) + from, &distance, 4);
}

size_t JitCompiler::jump_ahead(Condition condition) {
  const size_t n = ends_.size();
  const bool is_short = n < plan_.is_short.size() && plan_.is_short[n];
  if (is_short)
    db(condition == kAlways ? 0xeb : 0x70 | condition), db(0);
  else if (condition == kAlways)
    db(0xe9), dd(0);
  else
    db(0x0f), db(0x80 | condition), dd(0);
  ends_.push_back(getSize());
  fits_.push_back(0);
  return n;
}

void JitCompiler::patch(size_t jump, size_t to) {
  const int64_t distance = int64_t(to) - int64_t(ends_[jump]);
  fits_[jump] = is_near(distance);
  if (jump >= plan_.is_short.size() || !plan_.is_short[jump]) return set_distance(ends_[jump] - 4, to);
  const_cast<uint8_t*>(getCode())[ends_[jump] - 1] = uint8_t(distance);
}

// Whether the code must be made again: now that distances are known, or because a jump has become too long,
// as loops begin at round addresses.
bool JitCompiler::settle() {
  if (plan_.passes++ == 0 && !plan_.before.empty()) return true;
  if (plan_.is_short.empty()) {
    plan_.is_short = fits_;
    return std::ranges::find(fits_, uint8_t{1}) != fits_.end();
  }
  bool again = false;
  for (size_t n = 0; n < fits_.size(); ++n)
    if (plan_.is_short[n] && !fits_[n]) plan_.is_short[n] = 0, again = true;
  if (again && plan_.passes >= kLastPass) plan_.is_short.assign(fits_.size(), 0);
  return again;
}

void JitCompiler::jump_to_op(Condition condition, uint32_t to) {
  const uint32_t known = jit_.native_[to];
  const int64_t distance = int64_t(known) - int64_t(getSize()) - 2;
  if (known && distance >= -128) {
    db(condition == kAlways ? 0xeb : 0x70 | condition), db(uint8_t(distance));
    return;
  }
  const size_t jump = jump_ahead(condition);
  if (known)
    patch(jump, known);
  else
    jumps_.push_back({jump, to});
}

void JitCompiler::jump_to_stub(Condition condition, StubKind kind, uint32_t op) {
  const size_t jump = jump_out(condition);
  add_stub(kind, op, jump);
}

// To the stub that will be added next, by way of an island that is there already.
size_t JitCompiler::jump_out(Condition condition) {
  const auto early = early_.find(first_stub_ + stubs_.size());
  if (early == early_.end()) return jump_ahead(condition);
  const auto [place, jump] = early->second;
  const int64_t distance = int64_t(place) - int64_t(getSize()) - 2;
  if (distance >= -128) {
    db(0x70 | condition), db(uint8_t(distance));
  } else {
    db(0x0f), db(0x80 | condition), dd(0);
    set_distance(getSize() - 4, place);
  }
  return jump;
}

void JitCompiler::add_stub(StubKind kind, uint32_t op, size_t jump) {
  if (plan_.passes == 0) {
    const bool before = depths_[op] && gap_ && getSize() - gap_ <= kReach;
    plan_.in_island.push_back(before ? kBefore : kNowhere);
    if (before) plan_.before[gaps_].push_back(first_stub_ + stubs_.size());
  }
  stubs_.push_back({kind, op, jump, getSize(), first_stub_ + stubs_.size()});
}

void JitCompiler::goto_place(uint32_t place) {
  db(0xe9), dd(0);
  set_distance(getSize() - 4, place);
}

void JitCompiler::call_place(uint32_t place) {
  db(0xe8), dd(0);
  set_distance(getSize() - 4, place);
}

// Behind an operation after which there is room, since control does not come there or has left the loops:
// jumps to the stubs of the loops before and behind, so that jumps to these are short.
void JitCompiler::island(bool comes_here, bool before_loop) {
  size_t over = 0;
  if (before_loop && !comes_here) {
    gap_ = getSize();
    const auto stubs = plan_.before.find(++gaps_);
    if (plan_.passes && stubs != plan_.before.end())
      for (size_t number : stubs->second) {
        const size_t place = getSize();
        early_[number] = {place, jump_ahead(kAlways)};
      }
  }
  for (; next_island_ < stubs_.size(); ++next_island_) {
    Stub& stub = stubs_[next_island_];
    uint8_t& inside = plan_.in_island[stub.number];
    if (plan_.passes == 0 && inside == kNowhere && depths_[stub.op] && getSize() - ends_[stub.jump] <= kReach)
      inside = kBehind;
    if (inside != kBehind) continue;
    if (comes_here && !over) over = jump_ahead(kAlways);
    patch(stub.jump, getSize());
    stub.jump = jump_ahead(kAlways);
  }
  if (over) patch(over, getSize());
}

}  // namespace epass::vm
#endif
