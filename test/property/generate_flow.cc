// Random programs: branches, compare chains, loops, code that nothing reaches.

#include <algorithm>
#include <bit>

#include "generator.h"

namespace epass {

using namespace bpf;

size_t Generator::branch() {
  static constexpr int kOps[] = {kJeq, kJgt, kJge, kJset, kJne, kJsgt, kJsge, kJlt, kJle, kJslt, kJsle};
  ensure_scalar();
  branches_ += rounds_;
  bool by_register = chance(50);
  int code = (chance(60) ? kJmp : kJmp32) | kOps[below(std::size(kOps))] | (by_register ? kX : kK);
  return emit(code, source(), by_register ? source() : 0, 0, by_register ? 0 : immediate());
}

size_t Generator::jump() { return chance(25) ? emit(kCodeGotol, 0, 0, 0, 0) : emit(kCodeJa, 0, 0, 0, 0); }

void Generator::land(size_t at) {
  int distance = int(code_.size()) - int(at) - 1;
  if (code_[at].code == kCodeGotol)
    code_[at].imm = distance;
  else
    code_[at].off = int16_t(distance);
}

// What is known where two paths meet.
void Generator::meet(State& a, const State& b) {
  auto join = [](Content& x, const Content& y) {
    if (x.kind != y.kind || x.at != y.at || x.aligned != y.aligned) return void(x = {});
    x.size = std::min(x.size, y.size);
  };
  for (size_t n = 0; n < a.regs.size(); ++n) join(a.regs[n], b.regs[n]);
  for (size_t n = 0; n < a.spilled.size(); ++n) join(a.spilled[n], b.spilled[n]);
  a.written &= b.written;
}

// if / else; what only one side defines is not defined after.
void Generator::diamond() {
  size_t skip = branch();
  State before = now_;
  statements(1 + int(below(4)));
  if (chance(50)) {
    size_t over = jump();
    if (chance(20)) unreachable();
    land(skip);
    std::swap(now_, before);
    statements(1 + int(below(4)));
    land(over);
  } else {
    land(skip);
  }
  meet(now_, before);
}

// A switch as compilers make it: a chain of comparisons with constants, cases that fall through or leave.
void Generator::cases() {
  ensure_scalar();
  int selector = source(), count = 2 + int(below(4));
  if (!is_locked(selector) && chance(60)) emit(kAlu64 | kAnd, selector, 0, 0, 7);
  int cls = either(kJmp, kJmp32), first = int(below(4));
  std::vector<size_t> to_cases, to_end;
  for (int n = 0; n < count; ++n, branches_ += rounds_)
    to_cases.push_back(emit(cls | (n && chance(20) ? kJgt : kJeq), selector, 0, 0, first + n));
  State before = now_, end;
  bool falls_in = chance(30);
  statements(int(below(3)));
  end = now_;
  if (!falls_in) to_end.push_back(jump());
  for (int n = 0; n < count; ++n) {
    land(to_cases[size_t(n)]);
    if (falls_in)
      meet(now_, before);
    else
      now_ = before;
    statements(1 + int(below(2)));
    falls_in = chance(25);
    if (n + 1 == count) break;
    if (falls_in) continue;
    meet(end, now_);
    to_end.push_back(jump());
  }
  for (size_t at : to_end) land(at);
  if (!to_end.empty()) meet(now_, end);
}

// A register that is written and read under the same condition: undefined on the other path, and never read
// there.
void Generator::correlated() {
  int flag = saved_target(), value = saved_target();
  if (flag == value || flag < 6 || value < 6) return simple();
  ensure_scalar();
  emit(kAlu64 | kMov | kX, flag, source(), 0, 0);
  emit(kAlu64 | kAnd, flag, 0, 0, 1);
  set(flag), set(value, {});
  uint32_t locked = std::exchange(locked_, locked_ | 1u << flag | 1u << value);
  State before = now_;
  size_t skip = emit(kJmp | kJeq, flag, 0, 0, 0);
  statements(1 + int(below(2)));
  emit(kAlu64 | kMov, value, 0, 0, immediate());
  land(skip);
  meet(now_, before);
  statements(1 + int(below(3)));
  before = now_;
  skip = emit(kJmp | kJne, flag, 0, 0, 1);
  int dst = target();
  emit(kAlu64 | kMov | kX, dst, value, 0, 0);
  set(dst), set(value);
  locked_ = locked;
  statements(1 + int(below(2)));
  land(skip);
  meet(now_, before);
  set(value, {});
  branches_ += 2 * rounds_;
}

void Generator::early_exit() {
  size_t skip = branch();
  State before = now_;
  int r = source();
  if (in_callback_)
    emit(kAlu64 | kMov, 0, 0, 0, int64_t(below(2)));
  else
    emit(kAlu64 | kMov | kX, 0, r, 0, 0);
  emit(kCodeExit, 0, 0, 0, 0);
  if (chance(30)) unreachable();
  land(skip);
  now_ = before;
}

// Behind a jump or exit: anything that can be decoded.
void Generator::unreachable() {
  if (for_kernel()) return;
  State before = now_;
  uint32_t locked = std::exchange(locked_, 0);
  int count = 1 + int(below(3));
  for (int n = 0; n < count; ++n) simple();
  switch (below(4)) {
    case 0: emit(kCodeJa, 0, 0, -1, 0); break;
    case 1: emit(kJmp | kJeq, int(below(10)), 0, -int(1 + below(uint64_t(count))), 0); break;
    case 2: emit(kCodeExit, 0, 0, 0, 0); break;
    default: break;
  }
  emit(kCodeExit, 0, 0, 0, 0);
  now_ = before, locked_ = locked;
}

// What the head of a loop may rely on: pointers only where the body cannot overwrite them.
void Generator::begin_loop(State& head) {
  for (int r = 0; r < 10; ++r)
    if (reg(r).is_pointer() && !is_locked(r)) {
      if (r >= 6 && std::popcount(locked_) < 3)
        locked_ |= 1u << r;
      else
        set(r, {});
    }
  for (int r = 0; r < 6; ++r)
    if (chance(30) && !is_locked(r)) set(r, {});
  head = now_;
}

// Makes what the head relies on true again.
void Generator::repair(const State& head) {
  for (int r = 0; r < 10; ++r)
    if (head.regs[size_t(r)].kind == Content::kScalar && !is_scalar(r)) constant(r);
}

void Generator::loop() {
  ++loops_;
  int rounds = 2 + int(below(rounds_ > 1 ? 2 : 4)), outer = rounds_;
  uint32_t locked = locked_;
  int counter = saved_target(), slot = kCounters - 8 * (loop_depth_ & 1);
  uint64_t shape = counter < 6 ? 2 : below(6);
  if (!in_main_ && rounds_ > 1) rounds = 2;
  rounds_ *= rounds, ++loop_depth_;
  std::vector<size_t> leave;
  State head, left;
  if (shape == 2)
    emit(kSt | kMem | kDw, kFrameRegister, 0, slot, rounds);
  else
    emit(kAlu64 | kMov, counter, 0, 0, shape == 1 ? 0 : rounds), set(counter), locked_ |= 1u << counter;
  begin_loop(head);
  size_t start = code_.size();
  if (shape == 5 || (shape == 3 && chance(30))) leave.push_back(emit(kCodeMayGoto, 0, 0, 0, 0));
  if (shape == 3) leave.push_back(emit(kJmp | either(kJeq, kJsle), counter, 0, 0, 0));
  left = now_;
  bool early = !leave.empty();
  statements(1 + int(below(4)));
  if (chance(30)) {
    leave.push_back(branch());
    if (early)
      meet(left, now_);
    else
      left = now_;
    early = true;
    statements(1 + int(below(2)));
  }
  if (shape == 2) {
    int r = target();
    emit(kLdx | kMem | kDw, r, kFrameRegister, slot, 0);
    emit(kAlu64 | kAdd, r, 0, 0, -1);
    emit(kStx | kMem | kDw, kFrameRegister, r, slot, 0);
    set(r);
    repair(head);
    emit(kLdx | kMem | kDw, r, kFrameRegister, slot, 0);
    set(r);
    back(emit(either(kJmp, kJmp32) | either(kJne, kJsgt), r, 0, 0, 0), start);
  } else if (shape == 3) {
    emit(either(kAlu64, kAlu) | kSub, counter, 0, 0, 1);
    repair(head);
    back(jump(), start);
    if (chance(20)) unreachable();
    now_ = left, early = false;
  } else if (shape == 1) {
    emit(either(kAlu64, kAlu) | kAdd, counter, 0, 0, 1);
    repair(head);
    static constexpr int kOps[] = {kJlt, kJslt, kJne};
    back(emit(either(kJmp, kJmp32) | kOps[below(3)], counter, 0, 0, rounds), start);
  } else {
    emit(kAlu64 | kAdd, counter, 0, 0, -1);
    repair(head);
    back(emit(kJmp | kJne, counter, 0, 0, 0), start);
  }
  for (size_t at : leave) land(at);
  if (early) meet(now_, left);
  rounds_ = outer, locked_ = locked, --loop_depth_;
}

void Generator::back(size_t at, size_t start) {
  int distance = int(start) - int(at) - 1;
  if (code_[at].code == kCodeGotol)
    code_[at].imm = distance;
  else
    code_[at].off = int16_t(distance);
}

void Generator::statements(int count) {
  ++depth_;
  for (int n = 0; n < count && !full(); ++n) {
    // Paths multiply in the verifier: few branches inside loops there.
    bool may_branch =
        depth_ < 5 && branches_ < (for_kernel() ? 40 : 80) && !(for_kernel() && rounds_ > 4 && chance(80));
    bool may_call = rounds_ <= 6;
    switch (below(34)) {
      case 0:
      case 1: may_branch ? diamond() : simple(); break;
      case 2: may_branch ? cases() : simple(); break;
      case 3: may_branch ? correlated() : simple(); break;
      case 4: may_branch&& chance(50) ? early_exit() : simple(); break;
      case 5:
      case 6: depth_ < 4 && loops_ < 4 && loop_depth_ < 2 ? loop() : simple(); break;
      case 7: may_call ? call_any() : simple(); break;
      case 8: may_call&& chance(50) ? callback_loop() : simple(); break;
      case 9:
      case 10: may_branch ? packet() : simple(); break;
      case 11: may_branch ? map_lookup() : simple(); break;
      case 12: map_update(); break;
      case 13: global_data(); break;
      case 14: helper(); break;
      case 15: pressure(); break;
      case 16: legacy_load(); break;
      default: simple();
    }
  }
  --depth_;
}

}  // namespace epass
