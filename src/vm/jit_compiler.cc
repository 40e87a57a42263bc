// Blocks, functions and stubs of compiled code, and the pieces that all functions share.
#if defined(__x86_64__)

#include "vm/jit_compiler.h"

#include <bit>
#include <cstring>

#include "vm/op_facts.h"

namespace epass::vm {

using namespace Xbyak;

namespace {
constexpr size_t kCacheLine = 64;
bool writes_register(const Op& op) { return op.code < OpCode::kStoreK1 || op.code == OpCode::kAtomic; }
}  // namespace

JitCompiler::JitCompiler(Jit& jit, Machine& machine, uint8_t* code, size_t size, JitPlan& plan)
    : CodeGenerator(size, code),
      jit_(jit),
      plan_(plan),
      machine_(machine),
      executable_(machine.executable()),
      ops_(executable_.ops()),
      data_(*jit.data_),
      checked_(jit.checked_),
      metered_(jit.metered_),
      has_bmi2_(__builtin_cpu_supports("bmi2")),
      registers_{&rax, &rdi, &rsi, &rdx, &rcx, &r8, &rbx, &r13, &r14, &r15, &rbp},
      next_table_(jit.data_->table()) {}

// All of the program's registers to the machine's state, a call into C++, and back. Comes with the operation
// in r11d; gives what the call returned, if that is wanted.
uint32_t JitCompiler::shared(uint64_t (*function)(JitData*, uint64_t), bool gives_address, bool comes_back) {
  const uint32_t place = uint32_t(getSize());
  State& s = data_.state;
  for (int n = 0; n <= 10; ++n) mov(at(s.regs[size_t(n)]), reg(n));
  mov(at(s.left), r12);
  mov(at(s.frame), rbp);
  mov(esi, r11d);
  save_frame();
  lea(rdi, qword[rip + static_cast<const void*>(&data_)]);
  if (comes_back) sub(rsp, 8);
  mov(rax, reinterpret_cast<uint64_t>(function));
  call(rax);
  if (!comes_back) {
    goto_place(leave_all_);
    return place;
  }
  add(rsp, 8);
  test(rax, rax);
  const size_t good = jump_ahead(kNe);
  goto_place(leave_all_);
  patch(good, getSize());
  if (gives_address) mov(r11, rax);
  for (int n = 0; n <= 10; ++n) mov(reg(n), at(s.regs[size_t(n)]));
  mov(r12, at(s.left));
  restore_frame();
  ret();
  return place;
}

// Where the frame lies in the host, for C++; r11 is lost.
void JitCompiler::save_frame() {
  if (checked_) lea(r11, qword[rbp + r9]);
  mov(at(data_.state.frame_host), checked_ ? r11 : rbp);
}

void JitCompiler::restore_frame() {
  if (!checked_) return;
  mov(r9, at(data_.state.frame_host));
  sub(r9, rbp);
}

// A call whose arguments stand in their registers already. Gives Machine::Stop in r11d if it is a tail call.
uint32_t JitCompiler::shared_call(uint64_t (*function)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                                       JitData*)) {
  const uint32_t place = uint32_t(getSize());
  State& s = data_.state;
  mov(at(s.left), r12);
  mov(at(s.frame), rbp);
  save_frame();
  lea(r9, qword[rip + static_cast<const void*>(&data_)]);
  sub(rsp, 8);
  mov(rax, reinterpret_cast<uint64_t>(function));
  call(rax);
  add(rsp, 8);
  mov(r11, at(s.stop));
  mov(r12, at(s.left));
  restore_frame();
  // What C++ left there is none of the program's business.
  for (int n = 1; n <= 5; ++n) xor_(reg32(n), reg32(n));
  cmp(r11d, uint32_t(Machine::kStopped));
  const size_t good = jump_ahead(kNe);
  goto_place(leave_all_);
  patch(good, getSize());
  ret();
  return place;
}

void JitCompiler::runtime() {
  State& s = data_.state;
  // Entered from C++ with the place of a function in rdi: true if it was left at its end.
  const Reg64 kept[] = {rbx, rbp, r12, r13, r14, r15};
  for (const Reg64& r : kept) push(r);
  push(at(s.native_stack));
  mov(at(s.native_stack), rsp);
  mov(r11, rdi);
  for (int n = 0; n <= 9; ++n) mov(reg(n), at(s.regs[size_t(n)]));
  mov(rbp, checked_ ? at(s.frame) : at(s.frame_host));
  restore_frame();
  mov(r12, at(s.left));
  call(r11);
  mov(at(s.regs[0]), rax);
  mov(at(s.left), r12);
  mov(eax, 1);
  db(0xeb), db(0);
  const size_t short_jump = getSize() - 1;
  leave_all_ = uint32_t(getSize());
  mov(rsp, at(s.native_stack));
  xor_(eax, eax);
  const_cast<uint8_t*>(getCode())[short_jump] = uint8_t(getSize() - short_jump - 1);
  pop(at(s.native_stack));
  for (size_t n = std::size(kept); n-- > 0;) pop(kept[n]);
  ret();
  step_ = shared(JitCalls::step, false, true);
  time_ = shared(JitCalls::out_of_time, false, false);
  frame_ = shared(JitCalls::frame, false, true);
  code_ = shared(JitCalls::code_address, true, true);
  helper_ = shared_call(JitCalls::helper);
  register_ = shared_call(JitCalls::through_register);
}

// At its begin the stack is 8 off a multiple of 16, as the call left it.
void JitCompiler::prologue() {
  for (int n = 1; n <= 9; ++n)
    if (saved_ >> n & 1) push(reg(n));
  if (std::popcount(saved_) % 2 == 0) sub(rsp, 8);
  if (has_frame_ && checked_) add(r9, at(data_.step)), add(rbp, at(data_.spacing));
  if (has_frame_ && !checked_) add(rbp, bpf::kStackSize);
  load_kept();
}

void JitCompiler::epilogue() {
  if (has_frame_ && checked_) sub(r9, at(data_.step)), sub(rbp, at(data_.spacing));
  if (has_frame_ && !checked_) sub(rbp, bpf::kStackSize);
  if (std::popcount(saved_) % 2 == 0) add(rsp, 8);
  for (int n = 9; n >= 1; --n)
    if (saved_ >> n & 1) pop(reg(n));
}

void JitCompiler::enter_block(uint32_t i) {
  jit_.native_[i] = uint32_t(getSize());
  if (!metered_ || ops_[i].code == OpCode::kLeaves) return;
  if (!charges_[i]) return;
  sub(r12, charges_[i]);
  jump_to_stub(kB, StubKind::kTime, i);
}

void JitCompiler::operation(uint32_t i) {
  const Op& op = ops_[i];
  if (alu(op) || memory(i, op) || flow(i, op)) return;
  if (op.code == OpCode::kLoadAddress) {
    const uint64_t address = machine_.load_address(op);
    jit_.addresses_.emplace_back(i, address);
    return move_constant(reg(op.dst), address);
  }
  leave_to_interpreter(i);
}

void JitCompiler::compile_function(uint32_t n) {
  const Executable::Function& fn = executable_.function(n);
  function_ = n, saved_ = 0, has_frame_ = false;
  for (uint32_t i = fn.begin; i < fn.begin + fn.size; ++i) {
    const Op& op = ops_[i];
    if (writes_register(op)) saved_ |= 1u << op.dst;
    if (op.code == OpCode::kAtomic) saved_ |= 1u << op.src;
    has_frame_ = has_frame_ || op.dst == bpf::kFrameRegister || op.src == bpf::kFrameRegister ||
                 (op.code >= OpCode::kCallFunction && op.code <= OpCode::kCallRegister);
  }
  saved_ &= 0x3c0;
  jit_.entries_[n] = uint32_t(getSize());
  if (checked_ || jit_.context_ != Context::kRaw) find_contents(n);
  find_kept(n);
  prologue();
  for (uint32_t i = fn.begin, next = i; i < fn.begin + fn.size; i = next) {
    if (loops_[i] == 1) align(kCacheLine);
    if (leaders_[i]) enter_block(i);
    operation(i);
    next = skips_jump(i) ? i + 2 : next_of(i);
    const bool comes_here = goes_on(ops_[i].code);
    if (!comes_here || (depths_[i] && !depths_[next])) island(comes_here, depths_[next] > depths_[i]);
  }
  enter_block(fn.begin + fn.size);
  leave_to_interpreter(fn.begin + fn.size);
  // A second half of ld_imm64 that something jumps to.
  for (uint32_t i = fn.begin; i < fn.begin + fn.size; ++i)
    if (leaders_[i] && !jit_.native_[i]) enter_block(i), leave_to_interpreter(i);
  stubs();
}

void JitCompiler::stubs() {
  for (const Stub& stub : stubs_) {
    const size_t begin = getSize();
    patch(stub.jump, begin);
    switch (stub.kind) {
      case StubKind::kStep:
        leave_to_interpreter(stub.op);
        goto_place(uint32_t(stub.back));
        break;
      case StubKind::kTime:
        add(r12, jit_.rest_[stub.op] + 1);
        mov(r11d, stub.op);
        goto_place(time_);
        break;
      case StubKind::kFrame:
        mov(r11d, stub.op);
        call_place(frame_);
        goto_place(uint32_t(stub.back));
        break;
      case StubKind::kCode:
        mov(r11d, stub.op);
        code_stubs_[stub.op] = begin;
        call_place(code_);
        jmp(r11);
        break;
      case StubKind::kTail:
        lea(rdi, qword[rip + static_cast<const void*>(&data_)]);
        mov(rax, reinterpret_cast<uint64_t>(&JitCalls::tail_call));
        call(rax);
        mov(r11, rax);
        mov(r12, at(data_.state.left));
        restore_frame();
        mov(rdi, at(data_.state.regs[1]));
        xor_(esi, esi);
        xor_(edx, edx);
        xor_(ecx, ecx);
        xor_(r8d, r8d);
        xor_(eax, eax);
        epilogue();
        jmp(r11);
        break;
    }
  }
  first_stub_ += stubs_.size(), next_island_ = 0;
  stubs_.clear();
}

void JitCompiler::compile() {
  find_blocks();
  jit_.native_.assign(ops_.size(), 0);
  jit_.site_of_.assign(ops_.size(), UINT32_MAX);
  jit_.entries_.assign(executable_.functions().size(), 0);
  jit_.addresses_.clear();
  runtime();
  for (uint32_t n = 0; n < executable_.functions().size(); ++n) compile_function(n);
  for (const Fixup& jump : jumps_) patch(jump.from, jit_.native_[jump.to]);
  for (const Fixup& call : calls_) set_distance(call.from, jit_.entries_[call.to]);
  for (const TableEntry& e : table_entries_) {
    const size_t place = e.target == UINT32_MAX ? code_stubs_[e.gotox] : jit_.native_[e.target];
    *e.entry = reinterpret_cast<uint64_t>(getCode()) + place;
  }
}

}  // namespace epass::vm
#endif
