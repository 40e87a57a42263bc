// Random programs: functions of their own, callbacks, helpers, maps and packets.

#include "generator.h"

namespace epass {

using namespace bpf;

namespace {
enum HelperId : int32_t {
  kLookup = 1,
  kUpdate = 2,
  kSkbLoad = 26,
  kCsumDiff = 28,
  kLoop = 181,
  kXdpLoad = 189
};
}

void Generator::address_of(size_t function, int dst) {
  references_.emplace_back(code_.size(), function);
  functions_[function].called = true;
  wide(dst, 0, kFuncPtr);
}

void Generator::forget_after_call() {
  for (int r = 1; r <= kMaxArguments; ++r) set(r, {});
  set(0);
}

// The context in some register, -1 where it is out of reach.
int Generator::context_register() {
  if (int r = pointer(1 << Content::kContext); r >= 0) return r;
  for (int n = 0; n < kSpillSlots; ++n)
    if (now_.spilled[size_t(n)].kind == Content::kContext) {
      int dst = target();
      emit(kLdx | kMem | kDw, dst, kFrameRegister, kSpills - 8 * n, 0);
      set(dst, {Content::kContext});
      return dst;
    }
  return -1;
}

void Generator::frame_argument(int r, int bytes) {
  emit(kAlu64 | kMov | kX, r, kFrameRegister, 0, 0);
  emit(kAlu64 | kAdd, r, 0, 0, -bytes - 8 * int(below(uint64_t(kScalars - bytes) / 8 + 1)));
  set(r, {});
}

void Generator::setup_arguments(const std::string& kinds) {
  ensure_scalar();
  // The context first: it may lie in an argument register.
  if (size_t k = kinds.find('c'); k != kinds.npos) {
    int from = context_register(), to = int(k) + 1;
    if (from != to) emit(kAlu64 | kMov | kX, to, from, 0, 0);
    set(to, {Content::kContext});
  }
  for (size_t k = 0; k < kinds.size(); ++k) {
    int r = int(k) + 1;
    if (kinds[k] == 'p') {
      frame_argument(r, 16);
    } else if (kinds[k] == 's' && (!is_scalar(r) || chance(30))) {
      int from = 6 + int(below(4));
      if (is_scalar(from))
        emit(either(kAlu, kAlu64) | kMov | kX, r, from, 0, 0), set(r);
      else
        constant(r);
    }
  }
}

void Generator::call(size_t function) {
  setup_arguments(functions_[function].args);
  functions_[function].called = true;
  references_.emplace_back(emit(kCodeCall, 0, kLocalCall, 0, 0), function);
  forget_after_call();
}

void Generator::call_any() {
  if (next_callee_ >= functions_.size()) return simple();
  size_t function = next_callee_ + below(functions_.size() - next_callee_);
  const Function& fn = functions_[function];
  bool needs_context = fn.args.find('c') != fn.args.npos;
  if (fn.callback || (needs_context && context_register() < 0)) return simple();
  call(function);
}

void Generator::callback_loop() {
  size_t function = functions_.size() - 1;
  if (!in_main_ || functions_.empty() || !functions_[function].callback) return simple();
  // Not 0 in the kernel: 6.18 then drops the callback, which it never walked, and fails.
  emit(either(kAlu, kAlu64) | kMov, 1, 0, 0, int64_t(for_kernel() ? 1 + below(4) : below(5)));
  address_of(function, 2);
  frame_argument(3, 16);
  emit(kAlu64 | kMov, 4, 0, 0, 0);
  emit(kCodeCall, 0, 0, 0, kLoop);
  forget_after_call();
}

// Direct access to the packet, behind a check of its length in one of the shapes that the verifier knows.
void Generator::packet() {
  static constexpr int kSizes[] = {1, 2, 4, 8, 14, 20, 34, 54};
  int context = context_register(), data = target(), end = target(), limit = target();
  if (context < 0 || data == context || end == context || data == end || limit == data || limit == end)
    return;
  emit(kLdx | kMem | kW, data, context, out_.xdp ? 0 : 76, 0);
  emit(kLdx | kMem | kW, end, context, out_.xdp ? 4 : 80, 0);
  set(data, {}), set(end, {}), set(limit, {});
  if (int by = chance(30) ? pointer(1 << Content::kScalar) : -1; by >= 0 && !is_locked(by)) {
    emit(either(kAlu, kAlu64) | kAnd, by, 0, 0, either(7, 0x1f));
    emit(kAlu64 | kAdd | kX, data, by, 0, 0);
  }
  int size = kSizes[below(std::size(kSizes))];
  emit(kAlu64 | kMov | kX, limit, data, 0, 0);
  emit(kAlu64 | kAdd, limit, 0, 0, size);
  ++branches_;
  size_t skip = 0;
  switch (below(3)) {
    case 0: skip = emit(kJmp | kJgt | kX, limit, end, 0, 0); break;
    case 1: skip = emit(kJmp | kJlt | kX, end, limit, 0, 0); break;
    default: {
      size_t in = emit(kJmp | either(kJle, kJle) | kX, limit, end, 0, 0);
      skip = jump();
      land(in);
    }
  }
  State before = now_;
  set(data, {Content::kPacket, 0, size});
  uint32_t locked = locked_;
  if (data >= 6) locked_ |= 1u << data;
  for (int n = 1 + int(below(3)); n && reg(data).kind == Content::kPacket; --n) {
    int bytes = 1 << below(4);
    while (bytes > size) bytes /= 2;
    ensure_scalar();
    if (reg(data).kind == Content::kPacket) access(data, int(below(uint64_t(size - bytes + 1))), bytes);
  }
  statements(1 + int(below(3)));
  locked_ = locked;
  land(skip);
  meet(now_, before);
}

// Loads of old: they take the context from r6 and may end the program.
void Generator::legacy_load() {
  if (out_.xdp || !in_main_ || !functions_.empty() || is_locked(6)) return simple();
  int context = context_register(), index = 7 + int(below(3));
  if (context < 0) return simple();
  if (context != 6) emit(kAlu64 | kMov | kX, 6, context, 0, 0);
  set(6, {Content::kContext});
  static constexpr int kSizes[] = {kB, kH, kW};
  int size = kSizes[below(3)];
  if (is_scalar(index) && !is_locked(index)) {
    emit(kAlu64 | kAnd, index, 0, 0, 0x3f);
    emit(kLd | kInd | size, 0, index, 0, int64_t(below(20)));
  } else {
    emit(kLd | kAbs | size, 0, 0, 0, int64_t(below(60)));
  }
  forget_after_call();
}

// A key in the frame and its address in r2. Some keys are not in the map.
void Generator::make_key(bool array) {
  int size = array ? kW : kDw;
  int from = pointer(1 << Content::kScalar);
  if (from < 0 || is_locked(from) || chance(50)) {
    emit(kSt | kMem | size, kFrameRegister, 0, kKey, int64_t(below(array ? 5 : 8)));
  } else {
    emit(kAlu64 | kAnd, from, 0, 0, 7);
    emit(kStx | kMem | size, kFrameRegister, from, kKey, 0);
  }
  emit(kAlu64 | kMov | kX, 2, kFrameRegister, 0, 0);
  emit(kAlu64 | kAdd, 2, 0, 0, kKey);
}

void Generator::map_lookup() {
  if (private_) return global_data();
  bool array = chance(60);
  make_key(array);
  wide(1, uint64_t(array ? kArrayMap : kHashMap), kMapFd);
  emit(kCodeCall, 0, 0, 0, kLookup);
  forget_after_call();
  set(0, {});
  int value = chance(60) ? saved_target() : 0;
  if (value) emit(kAlu64 | kMov | kX, value, 0, 0, 0), set(value, {});
  ++branches_;
  size_t skip = 0;
  if (chance(60)) {
    skip = emit(kJmp | kJeq, value, 0, 0, 0);
  } else {
    size_t in = emit(kJmp | kJne, value, 0, 0, 0);
    skip = jump();
    land(in);
  }
  State before = now_;
  set(value, {Content::kMemory, 0, int(kValueSize), chance(50)});
  ensure_scalar();
  int bytes = 1 << below(4);
  if (reg(value).kind == Content::kMemory)
    access(value, bytes * int(below(kValueSize / unsigned(bytes))), bytes);
  statements(1 + int(below(4)));
  land(skip);
  meet(now_, before);
}

// Elements of the hash are never replaced: pointers to them would go stale.
void Generator::map_update() {
  if (private_) return frame_access();
  bool array = chance(70);
  make_key(array);
  frame_argument(3, int(kValueSize));
  emit(kAlu64 | kMov, 4, 0, 0, array ? int64_t(below(3)) : 1);
  wide(1, uint64_t(array ? kArrayMap : kHashMap), kMapFd);
  emit(kCodeCall, 0, 0, 0, kUpdate);
  forget_after_call();
}

void Generator::global_data() {
  int dst = target(), at = int(below(kDataSize - 8));
  if (chance(70)) at &= ~7;
  wide(dst, uint64_t(kDataMap) | uint64_t(at) << 32, kMapValue);
  set(dst, {Content::kMemory, 0, int(kDataSize) - at, at % 8 == 0});
}

void Generator::helper() {
  if (private_) return frame_access();
  out_.exact = false;
  int context = context_register();
  if (!for_kernel() && chance(20)) {
    static constexpr int32_t kNoArguments[] = {5, 7, 8, 14};
    emit(kCodeCall, 0, 0, 0, kNoArguments[below(4)]);
  } else if (context >= 0 && chance(50)) {
    int bytes = 1 + int(below(16));
    if (context != 1) emit(kAlu64 | kMov | kX, 1, context, 0, 0);
    emit(kAlu64 | kMov, 2, 0, 0, int64_t(below(60)));
    frame_argument(3, 16);
    emit(either(kAlu, kAlu64) | kMov, 4, 0, 0, bytes);
    emit(kCodeCall, 0, 0, 0, out_.xdp ? kXdpLoad : kSkbLoad);
  } else {
    ensure_scalar();
    emit(kAlu64 | kMov | kX, 5, source(), 0, 0);
    frame_argument(1, 16);
    emit(kAlu64 | kMov, 2, 0, 0, 4 * int64_t(below(5)));
    frame_argument(3, 16);
    emit(kAlu64 | kMov, 4, 0, 0, 4 * int64_t(below(5)));
    emit(kCodeCall, 0, 0, 0, kCsumDiff);
  }
  forget_after_call();
}

}  // namespace epass
