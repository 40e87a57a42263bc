#pragma once
// What the parts of the generator of random programs share: the code so far and what is known of the
// registers.

#include <array>
#include <random>
#include <string>
#include <utility>

#include "random_program.h"

namespace epass {

// What a register holds on every path to here.
struct Content {
  enum Kind : uint8_t { kNothing, kScalar, kFrame, kMemory, kPacket, kContext } kind = kNothing;
  int at = 0;            // kFrame: offset from r10
  int size = 0;          // kMemory, kPacket: bytes that may be accessed
  bool aligned = false;  // kMemory: only naturally aligned accesses (stack of the caller)
  friend bool operator==(const Content&, const Content&) = default;
  bool is_pointer() const { return kind > kScalar; }
};

constexpr int kSpillSlots = 3;
struct State {
  std::array<Content, 10> regs = {};
  std::array<Content, kSpillSlots> spilled = {};  // pointers in stack slots
  uint32_t written = 0xff;                        // with words_: the scalars' words that were written
};

class Generator {
 public:
  Generator(uint64_t seed, Judge judge) : random_(seed * 2 + uint64_t(judge)), judge_(judge) {}
  RandomProgram run();

 private:
  // The frame, from r10 down: scalars that are always written, spilled pointers, counters, keys.
  static constexpr int kScalars = 64, kSpills = -72, kCounters = -104, kKey = -120;

  struct Function {
    std::string args = {};  // s scalar, p 16 bytes of the caller's frame
    bool callback = false, called = false;
    size_t start = 0;
  };

  uint64_t below(uint64_t n) { return random_() % n; }
  bool chance(int percent) { return below(100) < uint64_t(percent); }
  int either(int a, int b) { return chance(50) ? a : b; }
  bool for_kernel() const { return judge_ == Judge::kKernel; }
  size_t max_size() const { return in_main_ ? 170 : 230; }
  bool full() const { return code_.size() >= max_size(); }

  // generate_values.cc: registers, arithmetic and memory.
  size_t emit(int code, int dst, int src, int off, int64_t imm);
  void wide(int dst, uint64_t value, int src = 0);
  int32_t immediate();
  Content& reg(int r) { return now_.regs[size_t(r)]; }
  bool is_scalar(int r) const { return now_.regs[size_t(r)].kind == Content::kScalar; }
  bool is_locked(int r) const { return locked_ >> r & 1; }
  void set(int r, Content c = {Content::kScalar}) { reg(r) = c; }
  int source();                     // a register that holds a scalar; makes one if there is none
  int target(bool scalar = false);  // a register that may be written
  int saved_target();               // one that calls keep
  int pointer(unsigned kinds);      // a register that holds a pointer of these kinds, or -1
  void constant(int r);
  void arithmetic();
  void unary();
  void frame_pointer();
  void derive_pointer();
  void spill_or_fill();
  void frame_access();
  void word_access();
  void begin_frame();
  void pointer_access();
  void atomic(int base, int off, int bytes);
  void access(int base, int off, int bytes);
  void context_field();
  void ensure_scalar();
  void simple();
  void pressure();

  // generate_flow.cc: branches, loops.
  size_t branch();
  size_t jump();
  void land(size_t at);
  static void meet(State& a, const State& b);
  void diamond();
  void cases();
  void correlated();
  void early_exit();
  void unreachable();
  void loop();
  void begin_loop(State& head);
  void repair(const State& head);
  void back(size_t at, size_t start);
  void statements(int count);

  // generate_calls.cc: functions, helpers, packets.
  void setup_arguments(const std::string& kinds);
  void forget_after_call();
  void call(size_t function);
  void call_any();
  void callback_loop();
  int context_register();
  void packet();
  void legacy_load();
  void frame_argument(int r, int bytes);
  void make_key(bool array);
  void map_lookup();
  void map_update();
  void global_data();
  void helper();
  void address_of(size_t function, int dst);

  void finish(bool stack);
  void entry_loop();
  void main_function();
  void subprogram(Function& fn);

  std::mt19937_64 random_;
  Judge judge_;
  RandomProgram out_;
  std::vector<bpf::Insn>& code_ = out_.insns;
  std::vector<Function> functions_;
  std::vector<std::pair<size_t, size_t>> references_;  // call or address -> function
  State now_;
  uint32_t locked_ = 0;
  int depth_ = 0, loops_ = 0, loop_depth_ = 0, rounds_ = 1, branches_ = 0;
  bool in_main_ = false, in_callback_ = false;
  // No address of the frame leaves its function; the scalars are whole words, some of them written on some
  // paths only. Such slots can become values.
  bool private_ = false, words_ = false;
  size_t next_callee_ = 0;  // functions from here on may be called: no recursion
};

}  // namespace epass
