// Random programs: the functions of one program and how each begins and ends.

#include "random_program.h"

#include "generator.h"

namespace epass {

using namespace bpf;

RandomProgram random_program(uint64_t seed, Judge judge) { return Generator(seed, judge).run(); }

RandomProgram Generator::run() {
  out_.xdp = chance(40);
  private_ = chance(35);
  int functions = int(below(3));
  for (int n = 0; n < functions; ++n) {
    Function fn;
    for (uint64_t k = below(6); k; --k) {
      uint64_t kind = below(8);
      bool context = kind == 0 && fn.args.find('c') == fn.args.npos;
      fn.args += context ? 'c' : kind < 3 && !private_ ? 'p' : 's';
    }
    functions_.push_back(std::move(fn));
  }
  if (!private_ && chance(20)) functions_.push_back({.args = "sp", .callback = true}), out_.callback = true;
  main_function();
  for (size_t n = 0; n < functions_.size(); ++n) {
    next_callee_ = n + 1;
    functions_[n].start = code_.size();
    subprogram(functions_[n]);
  }
  for (auto [at, target] : references_) code_[at].imm = int32_t(functions_[target].start) - int32_t(at) - 1;
  return std::move(out_);
}

// All that is known flows into r0.
void Generator::finish(bool stack) {
  if (!is_scalar(0)) emit(kAlu64 | kMov, 0, 0, 0, 17);
  for (int r = 1; r < 10; ++r) {
    if (!is_scalar(r)) continue;
    emit(kAlu64 | kMul, 0, 0, 0, 31);
    emit(kAlu64 | kXor | kX, 0, r, 0, 0);
  }
  for (int n = 1; stack && n <= kScalars / 8; ++n) {
    if (!(now_.written >> (n - 1) & 1)) continue;
    emit(kLdx | kMem | kDw, 1, kFrameRegister, -8 * n, 0);
    emit(kAlu64 | kMul, 0, 0, 0, 37);
    emit(kAlu64 | kXor | kX, 0, 1, 0, 0);
  }
  emit(kAlu64 | kMov | kX, 1, 0, 0, 0);
  emit(kAlu64 | kRsh, 1, 0, 0, 32);
  emit(kAlu64 | kXor | kX, 0, 1, 0, 0);
  if (in_callback_) emit(either(kAlu, kAlu64) | kAnd, 0, 0, 0, 1);
  emit(kCodeExit, 0, 0, 0, 0);
}

// The first instruction as the head of a loop. A register counts what the context holds, modulo 4; the kernel
// does not follow what it holds and needs may_goto. In a function, the first argument counts.
void Generator::entry_loop() {
  int rounds = int(below(3));
  if (in_main_) {
    out_.exact = false;
    int field = 48 + 4 * int(below(5)), counter = 2 + int(below(8));
    emit(kLdx | kMem | kW, counter, 1, field, 0);
    emit(kAlu64 | kAdd, counter, 0, 0, 1);
    emit(kAlu64 | kAnd, counter, 0, 0, 3);
    emit(kStx | kMem | kW, 1, counter, field, 0);
    set(counter);
    uint32_t locked = std::exchange(locked_, locked_ | 1u << counter | 2);
    for (; rounds; --rounds) arithmetic();
    size_t leave = for_kernel() || chance(30) ? emit(kCodeMayGoto, 0, 0, 0, 0) : 0;
    back(emit(kJmp | kJne, counter, 0, 0, 0), 0);
    if (leave) land(leave);
    locked_ = locked;
  } else {
    size_t start = code_.size();
    uint32_t locked = locked_;
    State head = now_;
    for (int r = 1; r <= kMaxArguments; ++r)
      if (r == 1 || reg(r).is_pointer()) locked_ |= 1u << r;
    emit(either(kAlu, kAlu64) | kAnd, 1, 0, 0, 3);
    size_t leave = emit(kJmp | kJeq, 1, 0, 0, 0);
    emit(kAlu64 | kAdd, 1, 0, 0, -1);
    for (; rounds; --rounds) arithmetic();
    back(jump(), start);
    land(leave);
    now_ = head, locked_ = locked;
  }
}

// Writes the scalars, all or as many as chance wants.
void Generator::begin_frame() {
  words_ = private_ && chance(75);
  if (words_) now_.written = 0;
  for (int n = 1; n <= kScalars / 8; ++n) {
    if (words_ && chance(60)) continue;
    emit(kAlu64 | kMul, 0, 0, 0, 1 + 2 * int64_t(below(1000)));
    emit(kStx | kMem | kDw, kFrameRegister, 0, -8 * n, 0);
    now_.written |= 1u << (n - 1);
  }
}

void Generator::main_function() {
  in_main_ = true;
  set(1, {Content::kContext});
  if (!out_.xdp && chance(15)) entry_loop();
  emit(kStx | kMem | kDw, kFrameRegister, 1, kSpills, 0);
  now_.spilled[0] = {Content::kContext};
  if (out_.xdp) {
    emit(kLdx | kMem | kW, 0, 1, 4, 0);
    emit(kLdx | kMem | kW, 2, 1, 0, 0);
    emit(kAlu64 | kSub | kX, 0, 2, 0, 0);
    set(2, {});
  } else {
    emit(kLdx | kMem | kW, 0, 1, 0, 0);  // skb->len
  }
  set(0);
  begin_frame();
  if (chance(50)) {
    int r = 6 + int(below(4));
    emit(kAlu64 | kMov | kX, r, 1, 0, 0);
    set(r, {Content::kContext});
  }
  for (int r = 0; r < 10; ++r)
    if (!reg(r).is_pointer() && chance(60)) constant(r);
  statements(6 + int(below(30)));
  for (size_t n = 0; n < functions_.size(); ++n)
    if (!functions_[n].called) functions_[n].callback ? callback_loop() : call(n);
  finish(true);
}

void Generator::subprogram(Function& fn) {
  in_main_ = false, in_callback_ = fn.callback, loops_ = 3, depth_ = 1, branches_ = for_kernel() ? 34 : 60;
  now_ = {}, locked_ = 0;
  for (size_t k = 0; k < fn.args.size(); ++k) {
    Content c{Content::kScalar};
    if (fn.args[k] == 'p') c = {Content::kMemory, 0, 16, true};
    if (fn.args[k] == 'c') c = {Content::kContext};
    set(int(k) + 1, c);
  }
  if (fn.args.starts_with('s') && !fn.callback && chance(30)) entry_loop();
  if (!is_scalar(0)) constant(0);
  begin_frame();
  statements(3 + int(below(10)));
  finish(chance(30));
}

}  // namespace epass
