// The machine around the engines: frames, calls out and back, faults.

#include "vm/machine.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/format.h"
#include "vm/jit.h"

namespace epass::vm {

using bpf::kStackSize;

Machine::Machine(const Executable& executable, Settings settings, Host* host)
    : executable_(executable),
      settings_(std::move(settings)),
      host_(host),
      memory_(settings_.seed, settings_.outside, !settings_.checked, settings_.first_bytes),
      tables_(executable.program().symbols.size()),
      stack_(size_t{kMaxFrames} * kStackSize) {
  state_->context_window = settings_.context == Context::kRaw ? 0 : 256;
}

void Machine::set_packet(uint64_t address, uint64_t size) {
  state_->packet_begin = address;
  state_->packet_end = address + size;
  state_->packet_length = size;
  const uint8_t* host = memory_.at(address, size, Access::kRead);
  packet_ = {host, host ? size : 0};
}

bool Machine::packet_field(uint64_t field, uint64_t& value) const {
  const State& s = *state_;
  const bool xdp = settings_.context == Context::kXdp;
  if (field == (xdp ? 0 : 76) || field == (xdp ? 8 : 140))
    value = s.packet_begin;
  else if (field == (xdp ? 4 : 80))
    value = s.packet_end;
  else if (!xdp && field == 0)
    value = s.packet_length;
  else
    return false;
  return true;
}

uint64_t Machine::frame_top(uint64_t depth) const {
  if (!settings_.checked) return reinterpret_cast<uint64_t>(stack_.data()) + depth * kStackSize;
  return kStackBase + settings_.stack_shift + (depth - 1) * kFrameSpacing + kStackSize;
}

void Machine::prepare_frame(uint64_t depth) {
  if (depth < prepared_) return;
  prepared_ = depth + 1;
  uint8_t* bytes = stack_.data() + depth * kStackSize;
  if (host_) host_->prepare_frame(uint32_t(depth), {bytes, size_t(kStackSize)});
  memory_.add(format("stack{}", depth), kStackBase + settings_.stack_shift + depth * kFrameSpacing, bytes,
              kStackSize);
}

Run Machine::run(uint32_t function, std::initializer_list<uint64_t> args) {
  return run(function, std::span<const uint64_t>(args.begin(), args.size()));
}

Run Machine::run(uint32_t function, std::span<const uint64_t> args) {
  State& s = *state_;
  if (!run_.ok()) run_.fault = {};
  run_.r0 = 0, run_.read_undefined = false, run_.r0_defined = true;
  const size_t count = std::min<size_t>(args.size(), bpf::kMaxArguments);
  set_registers(args.first(count));
  defined_ = settings_.track ? 0x400 | ((1u << count) - 1) << 1 : 0x7ff;
  budget_ = int64_t(std::min<uint64_t>(settings_.budget, INT64_MAX));
  s.left = budget_;
  s.may_goto_rounds = s.may_goto_left = settings_.may_goto_rounds;
  s.stop = kGoesOn;
  s.depth = 0;
  if (function >= executable_.functions().size()) {
    fail(format("there is no function number {}", function));
  } else if (enter(function)) {
    run_.r0 = s.regs[0];
    run_.r0_defined = defined_ & 1;
  }
  run_.executed = executed();
  // Only a run that failed has a message to hand over, which takes its time.
  if (!run_.ok()) return std::exchange(run_, {});
  return {run_.r0, {}, run_.read_undefined, run_.executed, run_.r0_defined};
}

// One by one: what compilers make of a fill takes longer than a short program.
void Machine::set_registers(std::span<const uint64_t> args) {
  for (size_t k = 0; k < state_->regs.size(); ++k)
    state_->regs[k] = k > 0 && k <= args.size() ? args[k - 1] : 0;
}

bool Machine::enter(uint32_t function) {
  State& s = *state_;
  if (s.depth == kMaxFrames) return fail("more than 16 nested calls"), false;
  prepare_frame(s.depth++);
  s.regs[10] = frame_top(s.depth);
  const bool ok =
      jit_ ? jit_->enter(*this, function) : interpret(executable_.function(function).begin, s.depth);
  --s.depth;
  return ok && !s.stop;
}

std::optional<Machine::Answer> Machine::call(uint32_t function, const std::array<uint64_t, 5>& args,
                                             int known) {
  State& s = *state_;
  if (s.stop) return std::nullopt;
  if (function >= executable_.functions().size()) return fail("the callback is no function"), std::nullopt;
  const auto regs = s.regs;
  const uint64_t depth = s.depth;
  const uint32_t defined = defined_, at = at_;
  set_registers(args);
  if (settings_.track) defined_ = 0x400 | ((1u << known) - 1) << 1;
  const bool ok = enter(function);
  const Answer answer{s.regs[0], bool(defined_ & 1)};
  s.depth = depth;
  s.regs = regs;
  defined_ = defined;
  if (!ok) return std::nullopt;
  at_ = at;
  return answer;
}

std::optional<uint32_t> Machine::function_at(uint64_t address) const {
  if (!is_in(address, kFunctionBase, kStackBase)) return std::nullopt;
  const uint64_t number = function_number(address);
  if (number >= executable_.functions().size() || function_address(uint32_t(number)) != address)
    return std::nullopt;
  return uint32_t(number);
}

uint64_t Machine::arg(int k) {
  if (settings_.track && !(defined_ >> k & 1)) read_undefined();
  return state_->regs[size_t(k)];
}

std::array<uint64_t, 5> Machine::args() const {
  std::array<uint64_t, 5> out;
  std::copy_n(state_->regs.begin() + 1, 5, out.begin());
  return out;
}

void Machine::read_undefined() {
  run_.read_undefined = true;
  state_->stop = kStopped;
}

uint64_t Machine::fail(std::string message, uint64_t address) {
  if (run_.ok()) {
    run_.fault = {.message = std::move(message), .address = address};
    if (!executable_.functions().empty() && !executable_.ops().empty()) {
      run_.fault.function = executable_.function_of(at_);
      run_.fault.insn = at_ - executable_.function(run_.fault.function).begin;
    }
  }
  state_->stop = kStopped;
  return 0;
}

uint64_t Machine::end(uint64_t r0) {
  if (!state_->stop) run_.r0 = r0;
  state_->stop = kStopped;
  return r0;
}

uint64_t Machine::tail_call(uint32_t function, uint64_t context) {
  if (state_->stop) return 0;
  if (function >= executable_.functions().size()) return fail("the tail call leads to no function");
  next_function_ = function;
  state_->regs[1] = context;
  state_->stop = kTailCall;
  return 0;
}

uint32_t Machine::begin_tail_call() {
  state_->stop = kGoesOn;
  return executable_.function(next_function_).begin;
}

uint64_t Machine::load_address(const Op& op) {
  const bpf::Symbol& symbol = executable_.symbol(op.target);
  if (symbol.kind == bpf::Symbol::Kind::kFunc && symbol.function)
    return function_address(symbol.function.index);
  if (symbol.kind == bpf::Symbol::Kind::kJumpTable) {
    const Executable::Table& table = executable_.table(op.target);
    uint64_t& address = tables_[op.target];
    if (!address) {
      std::vector<uint8_t> bytes(size_t{table.size} * 8);
      for (uint32_t n = 0; n < table.size; ++n) {
        const uint64_t entry = function_address(table.function) + kTableEntry + table.first + n;
        std::memcpy(bytes.data() + size_t{n} * 8, &entry, 8);
      }
      address = memory_.add(symbol.name, kTableBase + (uint64_t{op.target} << 33), std::move(bytes), false);
    }
    return address + op.imm;
  }
  if (host_) return host_->address_of(*this, op.target, op.src, op.imm);
  return fail(format("nothing says where `{}` lies", symbol.name));
}

uint64_t Machine::call_helper(int32_t id) {
  if (auto it = helpers_.find(id); it != helpers_.end()) return it->second(*this, args());
  if (host_) return host_->call_helper(*this, id);
  return fail(format("there is no helper number {}", id));
}

uint64_t Machine::call_symbol(uint32_t symbol) {
  const std::string& name = executable_.symbol(symbol).name;
  if (auto it = named_.find(name); it != named_.end()) return it->second(*this, args());
  if (host_) return host_->call_symbol(*this, symbol);
  return fail(format("there is no function `{}`", name));
}

bool Machine::packet_load(const Op& op, uint64_t offset) {
  const uint32_t size = op.target;
  if (offset + size > packet_.size()) {
    // The kernel ends the program with 0.
    if (host_) host_->left_by_packet_load();
    end(0);
    return false;
  }
  uint64_t value = 0;
  for (uint32_t n = 0; n < size; ++n) value = value << 8 | packet_[offset + n];
  state_->regs[0] = value;
  return true;
}

// `old` comes with r0, which cmpxchg compares with.
bool Machine::atomic(const Op& op, uint64_t address, uint64_t operand, uint64_t& old) {
  const uint32_t size = op.target;
  uint64_t expected = old;
  old = 0;
  if (size < 8) {
    const uint64_t mask = (uint64_t{1} << 8 * size) - 1;
    operand &= mask, expected &= mask;
  }
  auto outside = [&] { return fail(format("atomic access at {}", memory_.place(address)), address), false; };
  if (!memory_.read(address, &old, size)) return outside();
  uint64_t fresh = old;
  switch (op.imm) {
    case bpf::kXchg: fresh = operand; break;
    case bpf::kCmpxchg: fresh = old == expected ? operand : old; break;
    default:
      switch (op.imm & ~uint64_t{bpf::kFetch}) {
        case bpf::kAdd: fresh = old + operand; break;
        case bpf::kOr: fresh = old | operand; break;
        case bpf::kAnd: fresh = old & operand; break;
        default: fresh = old ^ operand;
      }
  }
  return memory_.write(address, &fresh, size) || outside();
}

}  // namespace epass::vm
