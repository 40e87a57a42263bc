#pragma once
// Emits the code of an executable: each operation becomes a few instructions, rare things go to stubs behind
// their function.
//
// r0-r5 are rax, rdi, rsi, rdx, rcx, r8, so that arguments of helpers stand where C++ expects them; r6-r9 are
// rbx, r13, r14, r15, and r10 is rbp. r12 is the meter. Checked code keeps in r9 where the frame of r10 lies
// in the host. r10 and r11 are free for use within an operation.

#define XBYAK_NO_EXCEPTION
#include <xbyak/xbyak.h>

#include "vm/jit_data.h"

namespace epass::vm {

// What one pass over the program finds out for the next.
struct JitPlan {
  int passes = 0;
  std::vector<uint8_t> is_short = {};   // by jump, in order
  std::vector<uint8_t> in_island = {};  // by stub: a jump to it stands near its loop
  // By gap in the code, in order: stubs of the loop behind it.
  std::map<size_t, std::vector<size_t>> before = {};
  std::map<uint32_t, std::vector<uint8_t>> in_frame = {};  // by function: accesses that stay in its frame
};

class JitCompiler : public Xbyak::CodeGenerator {
 public:
  JitCompiler(Jit& jit, Machine& machine, uint8_t* code, size_t size, JitPlan& plan);
  void compile();
  bool settle();

 private:
  enum Condition : uint8_t {
    kB = 2,
    kAe = 3,
    kE = 4,
    kNe = 5,
    kBe = 6,
    kA = 7,
    kL = 12,
    kGe = 13,
    kLe = 14,
    kG = 15,
    kAlways
  };
  enum class StubKind : uint8_t { kStep, kTime, kFrame, kCode, kTail };
  struct Stub {
    StubKind kind = StubKind::kStep;
    uint32_t op = 0;
    size_t jump = 0;    // that leads there
    size_t back = 0;    // where it returns to
    size_t number = 0;  // in the program
  };
  struct Fixup {
    size_t from = 0;  // a jump; of calls: the place of their distance
    uint32_t to = 0;  // operation; of calls: function
  };

  // Masks of registers: that may hold the context, that hold r10 and what was added to it.
  struct Contents {
    uint32_t context = 0, frame = 0;
  };

  // A place whose region is in registers: less its base, and its distance.
  struct Kept {
    JitSite* site = nullptr;
    int negative = 0, distance = 0;
  };

  // jit_blocks.cc
  void find_blocks();
  void find_charges(const Executable::Function& fn);
  uint32_t next_of(uint32_t i) const;
  uint32_t successors(uint32_t last, uint32_t (&out)[2]) const;

  // jit_kept.cc
  void find_kept(uint32_t function);
  bool stays_in_frame(uint32_t i);
  void load_kept();
  void load_kept_frame();
  JitSite* new_site(uint32_t i);

  // jit_jumps.cc
  size_t jump_ahead(Condition condition);  // its number, for patch
  void patch(size_t jump, size_t to);
  void set_distance(size_t from, size_t to);
  void jump_to_op(Condition condition, uint32_t to);
  void jump_to_stub(Condition condition, StubKind kind, uint32_t op);
  size_t jump_out(Condition condition);
  void add_stub(StubKind kind, uint32_t op, size_t jump);
  void goto_place(uint32_t place);  // jmp
  void call_place(uint32_t place);
  void island(bool comes_here, bool before_loop);

  // jit_compiler.cc
  void runtime();
  uint32_t shared(uint64_t (*function)(JitData*, uint64_t), bool gives_address, bool comes_back);
  uint32_t shared_call(uint64_t (*function)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, JitData*));
  void compile_function(uint32_t n);
  void operation(uint32_t i);
  void enter_block(uint32_t i);
  void save_frame();
  void restore_frame();
  void prologue();
  void epilogue();
  void stubs();
  template <class T>
  Xbyak::Address at(const T& field) {
    return qword[rip + static_cast<const void*>(&field)];
  }

  // jit_alu.cc
  bool alu(const Op& op);
  void two_operands(const Op& op, unsigned family, bool wide, bool is_register);
  void divide(const Op& op, bool wide, bool is_register, bool is_signed, bool remainder);
  void shift(const Op& op, unsigned family, bool wide, bool is_register);
  void move_constant(const Xbyak::Reg64& to, uint64_t value);

  // jit_memory.cc
  bool memory(uint32_t i, const Op& op);
  Xbyak::RegExp place(uint32_t i, const Op& op, int base, uint32_t size, size_t& stub);
  void load(uint32_t i, const Op& op);
  void store(uint32_t i, const Op& op);
  bool atomic(uint32_t i, const Op& op);
  void leave_to_interpreter(uint32_t i);

  // jit_context.cc
  void find_contents(uint32_t function);
  bool may_be_context(uint32_t op, int reg) const;
  bool is_frame_address(uint32_t op, int reg) const;

  // jit_flow.cc
  bool flow(uint32_t i, const Op& op);
  void conditional(uint32_t i);
  bool skips_jump(uint32_t i) const;
  void call_out(uint32_t i, uint32_t place);

  const Xbyak::Reg64& reg(int n) const { return *registers_[n]; }
  Xbyak::Reg32 reg32(int n) const { return registers_[n]->cvt32(); }

  Jit& jit_;
  JitPlan& plan_;
  Machine& machine_;
  const Executable& executable_;
  const std::vector<Op>& ops_;
  JitData& data_;
  const bool checked_, metered_, has_bmi2_;
  const Xbyak::Reg64* registers_[11];
  std::vector<uint8_t> leaders_, targets_,
      loops_;                       // by operation: blocks begin there; something jumps there, and back there
  std::vector<uint16_t> depths_;    // by operation: loops around it
  std::vector<uint32_t> charges_;   // by operation that begins a block: what the meter takes
  std::vector<Contents> contents_;  // before each operation of the function
  // By jump: its end, and whether it may be short. There is no jump number 0.
  std::vector<size_t> ends_ = {0};
  std::vector<uint8_t> fits_ = {0};
  std::vector<Fixup> jumps_, calls_;
  std::vector<Stub> stubs_;
  struct TableEntry {
    uint64_t* entry = nullptr;
    uint32_t target = UINT32_MAX, gotox = 0;  // operations
  };
  std::vector<TableEntry> table_entries_;
  std::map<uint32_t, size_t> code_stubs_;
  size_t first_stub_ = 0, next_island_ = 0, gap_ = 0, gaps_ = 0;
  std::map<size_t, std::pair<size_t, size_t>> early_;  // stub -> place of a jump to it, and its number
  // Registers that the function must leave as they were, as a mask.
  uint32_t function_ = 0, saved_ = 0, next_site_ = 0;
  std::map<uint32_t, Kept> kept_;  // by operation
  bool keeps_frame_ = false;       // in r10
  uint64_t* next_table_ = nullptr;
  bool has_frame_ = true;
  // Places of shared pieces.
  uint32_t leave_all_ = 0, step_ = 0, time_ = 0, frame_ = 0, code_ = 0, helper_ = 0, register_ = 0;
};

}  // namespace epass::vm
