#include "random_program.h"

#include <random>

namespace epass {
namespace {

using namespace bpf;

constexpr int kSlots = 8;
constexpr uint8_t kLoopCounter = 9;

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  std::vector<Insn> run() {
    int functions = int(below(3));
    for (int n = 0; n < functions; ++n) args_.push_back(int(below(6)));
    std::vector<std::pair<size_t, int>> calls;
    main_function(12 + int(below(40)));
    std::vector<size_t> starts;
    for (int n = 0; n < functions; ++n) {
      starts.push_back(code_.size());
      subprogram(args_[size_t(n)]);
    }
    for (auto [at, target] : calls_) code_[at].imm = int32_t(starts[size_t(target)]) - int32_t(at) - 1;
    return std::move(code_);
  }

 private:
  uint64_t below(uint64_t n) { return random_() % n; }
  bool chance(int percent) { return below(100) < uint64_t(percent); }
  void emit(int code, int dst, int src, int off, int64_t imm) {
    code_.push_back(make_insn(uint8_t(code), uint8_t(dst), uint8_t(src), int16_t(off), int32_t(imm)));
  }
  int32_t immediate() {
    static constexpr int32_t kOften[] = {0,   1,   -1,  2,   7,    8,          31,        32,     63,     64,
                                         127, 128, 255, 256, -128, 0x7fffffff, INT32_MIN, 0xffff, 0x10000};
    return chance(60) ? kOften[below(std::size(kOften))] : int32_t(random_());
  }

  int defined_register() {
    for (;;) {
      int r = int(below(10));
      if (defined_ >> r & 1 && !(in_loop_ && r == kLoopCounter)) return r;
    }
  }
  int any_register() {
    int r = int(below(10));
    return in_loop_ && r == kLoopCounter ? 0 : r;
  }
  void define(int r) { defined_ |= 1u << r; }

  void constant(int r) {
    if (chance(15)) {
      emit(kCodeLdImm64, r, 0, 0, immediate());
      emit(0, 0, 0, 0, immediate());
    } else {
      emit((chance(50) ? kAlu64 : kAlu) | kMov, r, 0, 0, immediate());
    }
    define(r);
  }

  void arithmetic() {
    static constexpr int kOps[] = {kAdd, kSub, kMul, kDiv, kOr, kAnd, kLsh, kRsh, kMod, kXor, kArsh, kMov};
    int op = kOps[below(std::size(kOps))];
    bool wide = chance(60), reg = chance(60);
    int dst = op == kMov ? any_register() : defined_register(), off = 0;
    int32_t imm = immediate();
    if ((op == kDiv || op == kMod) && chance(40)) off = 1;
    if (!reg && (op == kDiv || op == kMod) && imm == 0) imm = 3;
    if (!reg && (op == kLsh || op == kRsh || op == kArsh)) imm &= wide ? 63 : 31;
    if (op == kMov && reg && chance(30)) off = wide ? 8 << below(3) : 8 << below(2);
    emit((wide ? kAlu64 : kAlu) | op | (reg ? kX : kK), dst, reg ? defined_register() : 0, off,
         reg ? 0 : imm);
    define(dst);
  }

  void unary() {
    int dst = defined_register(), bits = 16 << below(3);
    switch (below(4)) {
      case 0: emit((chance(50) ? kAlu64 : kAlu) | kNeg, dst, 0, 0, 0); break;
      case 1: emit(kAlu | kEnd, dst, 0, 0, bits); break;
      case 2: emit(kAlu | kEnd | kX, dst, 0, 0, bits); break;
      default: emit(kAlu64 | kEnd, dst, 0, 0, bits);
    }
  }

  void memory() {
    static constexpr int kSizes[] = {kB, kH, kW, kDw};
    size_t k = below(4);
    int bytes = 1 << k, off = -8 * int(1 + below(kSlots)) + bytes * int(below(uint64_t(8 / bytes)));
    switch (below(4)) {
      case 0: emit(kStx | kMem | kSizes[k], 10, defined_register(), off, 0); break;
      case 1: emit(kSt | kMem | kSizes[k], 10, 0, off, immediate()); break;
      default: {
        int dst = any_register();
        emit(kLdx | (k < 3 && chance(40) ? kMemsx : kMem) | kSizes[k], dst, 10, off, 0);
        define(dst);
      }
    }
  }

  void atomic() {
    static constexpr int32_t kOps[] = {kAdd, kOr, kAnd, kXor};
    int size = chance(50) ? kDw : kW, off = -8 * int(1 + below(kSlots));
    int src = defined_register();
    int32_t op = kOps[below(4)];
    uint64_t kind = below(4);
    if (kind == 1) op |= kFetch;
    if (kind == 2) op = kXchg;
    if (kind == 3) {
      if (!(defined_ & 1)) constant(0);
      op = kCmpxchg;
    }
    emit(kStx | kAtomic | size, 10, src, off, op);
  }

  int condition_code() {
    static constexpr int kOps[] = {kJeq, kJgt, kJge, kJset, kJne, kJsgt, kJsge, kJlt, kJle, kJslt, kJsle};
    return (chance(60) ? kJmp : kJmp32) | kOps[below(std::size(kOps))] | (chance(50) ? kX : kK);
  }
  size_t branch() {
    int code = condition_code();
    emit(code, defined_register(), code & kX ? defined_register() : 0, 0, code & kX ? 0 : immediate());
    return code_.size() - 1;
  }
  void land(size_t at) { code_[at].off = int16_t(code_.size() - at - 1); }

  // if / else; what only one side defines is not defined after.
  void diamond(int depth) {
    size_t skip = branch();
    uint32_t before = defined_;
    statements(1 + int(below(4)), depth + 1);
    uint32_t left = defined_;
    if (chance(50)) {
      emit(kCodeJa, 0, 0, 0, 0);
      size_t jump = code_.size() - 1;
      land(skip);
      defined_ = before;
      statements(1 + int(below(4)), depth + 1);
      land(jump);
      defined_ &= left;
    } else {
      land(skip);
      defined_ = before;
    }
  }

  void loop() {
    emit(kAlu64 | kMov, kLoopCounter, 0, 0, int64_t(2 + below(4)));
    in_loop_ = true;
    size_t head = code_.size();
    uint32_t before = defined_;
    int count = 1 + int(below(6));
    // Values that change places: what breaks careless parallel moves.
    if (chance(40)) {
      int a = 6, b = 7, c = 8;
      for (int r : {a, b, c})
        if (!(defined_ >> r & 1)) constant(r), before = defined_, head = code_.size();
      emit(kAlu64 | kMov | kX, 0, a, 0, 0);
      emit(kAlu64 | kMov | kX, a, b, 0, 0);
      emit(kAlu64 | kMov | kX, b, c, 0, 0);
      emit(kAlu64 | kMov | kX, c, 0, 0, 0);
      define(0);
    }
    for (int n = 0; n < count; ++n) simple();
    emit(kAlu64 | kAdd, kLoopCounter, 0, 0, -1);
    emit(kJmp | kJne, kLoopCounter, 0, int(head) - int(code_.size()) - 1, 0);
    in_loop_ = false;
    defined_ = before | (defined_ & ~0u);
  }

  void call() {
    if (args_.empty() || !may_call_) return simple();
    int target = int(below(args_.size()));
    for (int r = 1; r <= args_[size_t(target)]; ++r)
      if (!(defined_ >> r & 1)) constant(r);
    calls_.push_back({code_.size(), target});
    emit(kCodeCall, 0, kLocalCall, 0, 0);
    defined_ = (defined_ & ~0x3fu) | 1;
  }

  void simple() {
    switch (below(10)) {
      case 0: constant(any_register()); break;
      case 1: unary(); break;
      case 2:
      case 3: memory(); break;
      case 4: atomic(); break;
      default: arithmetic();
    }
  }
  void statements(int count, int depth) {
    for (int n = 0; n < count; ++n) {
      uint64_t kind = below(12);
      if (kind == 0 && depth < 3)
        diamond(depth);
      else if (kind == 1 && depth == 0 && loops_++ < 2)
        loop();
      else if (kind == 2)
        call();
      else
        simple();
    }
  }

  // All defined registers and slots flow into r0.
  void finish(bool stack) {
    int sum = 0;
    if (!(defined_ & 1)) emit(kAlu64 | kMov, 0, 0, 0, 17);
    for (int r = 1; r < 10; ++r) {
      if (!(defined_ >> r & 1)) continue;
      emit(kAlu64 | kMul, sum, 0, 0, 31);
      emit(kAlu64 | kXor | kX, sum, r, 0, 0);
    }
    for (int n = 1; stack && n <= kSlots; ++n) {
      emit(kLdx | kMem | kDw, 1, 10, -8 * n, 0);
      emit(kAlu64 | kMul, sum, 0, 0, 37);
      emit(kAlu64 | kXor | kX, sum, 1, 0, 0);
    }
    emit(kAlu64 | kMov | kX, 1, 0, 0, 0);
    emit(kAlu64 | kRsh, 1, 0, 0, 32);
    emit(kAlu64 | kXor | kX, 0, 1, 0, 0);
    emit(kCodeExit, 0, 0, 0, 0);
  }

  void main_function(int count) {
    defined_ = 0, may_call_ = true;
    emit(kLdx | kMem | kW, 0, 1, 0, 0);  // skb->len
    define(0);
    for (int n = 1; n <= kSlots; ++n) {
      emit(kAlu64 | kMul, 0, 0, 0, 1 + 2 * int64_t(below(1000)));
      emit(kStx | kMem | kDw, 10, 0, -8 * n, 0);
    }
    for (int r = 1; r < 10; ++r)
      if (chance(70)) constant(r);
    statements(count, 0);
    finish(true);
  }

  void subprogram(int args) {
    defined_ = 0, may_call_ = false, loops_ = 2;
    for (int r = 1; r <= args; ++r) define(r);
    constant(0);
    for (int n = 1; n <= kSlots; ++n) emit(kSt | kMem | kDw, 10, 0, -8 * n, n);
    statements(3 + int(below(10)), 1);
    finish(false);
  }

  std::mt19937_64 random_;
  std::vector<Insn> code_;
  std::vector<std::pair<size_t, int>> calls_;
  std::vector<int> args_;
  uint32_t defined_ = 0;
  int loops_ = 0;
  bool in_loop_ = false, may_call_ = false;
};

}  // namespace

std::vector<Insn> random_program(uint64_t seed) { return Generator(seed).run(); }

}  // namespace epass
