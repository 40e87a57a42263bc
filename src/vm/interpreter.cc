#include "vm/interpreter.h"

#include <algorithm>
#include <cstring>

#include "base/format.h"

namespace epass::vm {

using namespace bpf;  // opcodes

namespace {

constexpr uint32_t kMaxFrames = 16;

uint64_t swapped(uint64_t v, int bits) {
  switch (bits) {
    case 16: return __builtin_bswap16(uint16_t(v));
    case 32: return __builtin_bswap32(uint32_t(v));
    default: return __builtin_bswap64(v);
  }
}

uint64_t sign_extended(uint64_t v, uint32_t bytes) {
  unsigned unused = 64 - 8 * bytes;
  return uint64_t(int64_t(v << unused) >> unused);
}

}  // namespace

Interpreter::Interpreter(const bpf::Program& program, const Input& input, const Options& options)
    : program_(program), input_(input), options_(options), memory_(input.seed, &input.bytes) {
  // Addresses follow the symbol table, not the order of use: a program without a dead reference sees the same
  // ones.
  for (uint32_t n = 0; n < program.symbols.size(); ++n)
    numbers_.try_emplace(program.symbols[SymbolId{n}].name, n);
}

bool Interpreter::fail(std::string why) {
  if (out_.error.empty()) out_.error = std::move(why), out_.error_insn = at_;
  ended_ = true;
  return false;
}

uint64_t Interpreter::read_register(const Frame& frame, int r) {
  if (r > 10) return fail("register above r10"), 0;
  if (r != kFrameRegister && !(frame.defined >> r & 1)) out_.read_undefined = ended_ = true;
  return frame.regs[size_t(r)];
}

Outcome Interpreter::run(FunctionId entry) {
  std::array<uint64_t, 5> args = {kContextBase};
  uint16_t defined = 1;
  std::vector<uint8_t> context(4096);
  for (size_t n = 0; n < context.size(); n += 8) {
    uint64_t word = mix(input_.seed ^ 0xc0ffee, n);
    std::memcpy(context.data() + n, &word, 8);
  }
  if (input_.context == Context::kRaw && !input_.packet.empty()) context = input_.packet;
  if (input_.context == Context::kRaw)
    args[1] = input_.packet.size(), defined = 3;
  else
    memory_.add("packet", kPacketBase, input_.packet);
  memory_.add("ctx", kContextBase, std::move(context));
  uint64_t r0 = 0;
  bool r0_defined = false;
  if (call_function(entry.index, args, defined, r0, r0_defined)) {
    if (!r0_defined && !program_.functions[entry].insns.empty()) out_.read_undefined = true;
  }
  out_.r0 = r0;
  out_.memory["ctx"] = hash_of(*memory_.region(kContextBase));
  if (options_.keep_contents) out_.contents["ctx"] = *memory_.region(kContextBase);
  out_.memory["foreign"] = memory_.foreign_hash();
  if (auto* packet = memory_.region(kPacketBase)) out_.packet = *packet;
  if (input_.context == Context::kRaw && !input_.packet.empty()) out_.packet = *memory_.region(kContextBase);
  for (auto& [number, map] : maps_) {
    if (map.values.empty()) continue;
    uint64_t hash = map.values.size();
    for (auto& [key, address] : map.values) {
      const std::vector<uint8_t>& value = *memory_.region(address);
      for (uint8_t byte : key) hash = mix(hash, byte);
      for (uint8_t byte : value) hash = mix(hash, byte);
      if (!options_.keep_contents) continue;
      std::vector<uint8_t>& all = out_.contents[map.name];
      all.insert(all.end(), key.begin(), key.end());
      all.insert(all.end(), value.begin(), value.end());
    }
    out_.memory[map.name] = hash;
  }
  for (auto& [name, address] : data_) {
    uint64_t hash = hash_of(*memory_.region(address));
    if (hash == initial_[name]) continue;
    out_.memory[name] = hash;
    if (options_.keep_contents) out_.contents[name] = *memory_.region(address);
  }
  return std::move(out_);
}

uint8_t Interpreter::fresh_stack(uint64_t n) const {
  switch (input_.indeterminate) {
    case 2: return 0;
    case 3: return 0xff;
    default:
      const uint8_t byte = uint8_t(mix(input_.seed ^ 0x57ac ^ input_.indeterminate >> 1, n));
      return input_.indeterminate & 1 ? uint8_t(~byte) : byte;
  }
}

bool Interpreter::call_function(uint32_t function, const std::array<uint64_t, 5>& args, uint16_t defined_args,
                                uint64_t& r0, bool& r0_defined) {
  if (depth_ == kMaxFrames) return fail("more than 16 nested calls");
  const bpf::Function& fn = program_.functions[FunctionId{function}];
  uint64_t stack = kStackBase + depth_ * (uint64_t{1} << 33) + input_.indeterminate * 0x15128;
  if (!memory_.has(stack)) {
    std::vector<uint8_t> bytes(kStackSize);
    for (size_t n = 0; n < bytes.size(); ++n) bytes[n] = fresh_stack(n + depth_ * 512);
    memory_.add(format("stack{}", depth_), stack, std::move(bytes));
  }
  ++depth_;
  Frame frame;
  for (size_t k = 0; k < 5; ++k) frame.regs[k + 1] = args[k];
  frame.defined = uint16_t(defined_args << 1);
  frame.regs[kFrameRegister] = stack + kStackSize;
  bool left = false, ok = true;
  for (uint32_t pc = 0; ok && !left;) {
    if (pc >= fn.insns.size()) {
      ok = fail("control leaves the function");
      break;
    }
    at_ = pc;
    if (options_.observer) options_.observer->at(FunctionId{function}, pc, frame.regs.data());
    if (options_.trace) out_.visited.push_back(fn.section_insn + pc);
    if (++out_.executed > input_.budget) {
      ok = fail(std::string(kBudgetUsedUp));
      break;
    }
    ok = step(frame, fn, pc, left);
  }
  --depth_;
  r0 = frame.regs[0];
  r0_defined = frame.defined & 1;
  return ok && !ended_;
}

bool Interpreter::step(Frame& frame, const bpf::Function& fn, uint32_t& pc, bool& left) {
  Insn insn = fn.insns[pc];
  bool writes_frame =
      insn.dst() == kFrameRegister && (is_alu(insn.code) || insn.cls() == kLdx || is_ld_imm64(insn));
  if (insn.dst() > kFrameRegister || writes_frame) return fail("writes a register that it may not");
  if (pc + records(insn) > fn.insns.size()) return fail("ld_imm64 without its second half");
  uint32_t at = pc;
  pc += records(insn);
  switch (insn.cls()) {
    case kLd: return is_ld_imm64(insn) ? load_address(frame, fn, insn, at) : legacy_load(frame, insn);
    case kLdx:
    case kSt:
    case kStx: return load_store(frame, insn);
    case kAlu:
    case kAlu64: return alu(frame, insn);
    default: break;
  }
  uint8_t op = insn.code & 0xf0;
  if (insn.code == kCodeExit) return left = true;
  if (insn.code == kCodeCall || insn.code == kCodeCallx) return call(frame, fn, insn, at);
  bool taken = true;
  if (insn.code == kCodeGotox) {
    uint64_t target = read_register(frame, insn.dst()) - kFunctionBase;
    if (target >= fn.insns.size()) return fail("jump to no instruction");
    pc = uint32_t(target);
    return !ended_;
  }
  if (insn.code == kCodeMayGoto) {
    taken = options_.may_goto_rounds && ++may_goto_ % options_.may_goto_rounds == 0;
  } else if (op != kJa) {
    uint64_t x = read_register(frame, insn.dst());
    uint64_t y = insn.code & kX ? read_register(frame, insn.src()) : uint64_t(int64_t(insn.imm));
    taken = condition(insn, x, y);
  }
  if (taken) pc = uint32_t(jump_target(insn, at));
  return !ended_;
}

bool Interpreter::condition(Insn insn, uint64_t x, uint64_t y) const {
  if (insn.cls() == kJmp32) x = uint32_t(x), y = uint32_t(y);
  int64_t sx = insn.cls() == kJmp32 ? int32_t(x) : int64_t(x),
          sy = insn.cls() == kJmp32 ? int32_t(y) : int64_t(y);
  switch (insn.code & 0xf0) {
    case kJeq: return x == y;
    case kJne: return x != y;
    case kJgt: return x > y;
    case kJge: return x >= y;
    case kJlt: return x < y;
    case kJle: return x <= y;
    case kJset: return x & y;
    case kJsgt: return sx > sy;
    case kJsge: return sx >= sy;
    case kJslt: return sx < sy;
    default: return sx <= sy;
  }
}

bool Interpreter::alu(Frame& frame, Insn insn) {
  uint8_t op = insn.code & 0xf0;
  bool wide = insn.cls() == kAlu64;
  if (op == kEnd) {
    if (insn.imm != 16 && insn.imm != 32 && insn.imm != 64) return fail("swap of an unknown width");
    uint64_t v = read_register(frame, insn.dst());
    if (wide || insn.code & kX)
      v = swapped(v, insn.imm);
    else if (insn.imm < 64)
      v &= (uint64_t{1} << insn.imm) - 1;
    define(frame, insn.dst(), v);
    return !ended_;
  }
  uint64_t x = op == kMov ? 0 : read_register(frame, insn.dst());
  uint64_t y = insn.code & kX && op != kNeg ? read_register(frame, insn.src()) : uint64_t(int64_t(insn.imm));
  if (op == kMov && insn.code & kX && insn.off > 1) {
    if (insn.off != 8 && insn.off != 16 && insn.off != 32) return fail("move that extends an unknown width");
    y = sign_extended(y, uint32_t(insn.off / 8));
  }
  if (!wide) x = uint32_t(x), y = uint32_t(y);
  bool is_signed = insn.off == 1;
  unsigned shift = unsigned(y) & (wide ? 63 : 31);
  uint64_t r = 0;
  int64_t sx = wide ? int64_t(x) : int32_t(x), sy = wide ? int64_t(y) : int32_t(y);
  switch (op) {
    case kAdd: r = x + y; break;
    case kSub: r = x - y; break;
    case kMul: r = x * y; break;
    case kOr: r = x | y; break;
    case kAnd: r = x & y; break;
    case kXor: r = x ^ y; break;
    case kLsh: r = x << shift; break;
    case kRsh: r = x >> shift; break;
    case kArsh: r = uint64_t(sx >> shift); break;
    case kNeg: r = 0 - x; break;
    case kMov: r = y; break;
    case kDiv:
      if (y == 0)
        r = 0;
      else if (!is_signed)
        r = x / y;
      else
        r = sy == -1 ? 0 - x : uint64_t(sx / sy);
      break;
    case kMod:
      if (y == 0)
        r = x;
      else if (!is_signed)
        r = x % y;
      else
        r = sy == -1 ? 0 : uint64_t(sx % sy);
      break;
    default: return fail("unknown arithmetic");
  }
  define(frame, insn.dst(), wide ? r : uint32_t(r));
  return !ended_;
}

bool Interpreter::load_store(Frame& frame, Insn insn) {
  if (insn.cls() == kStx && (insn.code & 0xe0) == kAtomic) return atomic(frame, insn);
  uint32_t size = access_bytes(insn.code);
  bool is_load = insn.cls() == kLdx;
  uint64_t address = read_register(frame, is_load ? insn.src() : insn.dst()) + uint64_t(int64_t(insn.off));
  if (is_load && size == 4 && address >= kContextBase && address < kContextBase + 256 &&
      input_.context != Context::kRaw) {
    // Packet pointers are 32 bits in the context and become whole when loaded.
    uint64_t field = address - kContextBase, end = kPacketBase + input_.packet.size();
    bool xdp = input_.context == Context::kXdp;
    if (field == (xdp ? 0 : 76) || field == (xdp ? 8 : 140))
      return define(frame, insn.dst(), kPacketBase), !ended_;
    if (field == (xdp ? 4 : 80)) return define(frame, insn.dst(), end), !ended_;
    if (!xdp && field == 0) return define(frame, insn.dst(), input_.packet.size()), !ended_;
  }
  uint64_t value = 0;
  if (is_load) {
    if (!memory_.read(address, &value, size))
      return fail(format("reads {} bytes at {}", size, memory_.place(address)));
    if ((insn.code & 0xe0) == kMemsx) value = sign_extended(value, size);
    define(frame, insn.dst(), value);
    return !ended_;
  }
  value = insn.cls() == kSt ? uint64_t(int64_t(insn.imm)) : read_register(frame, insn.src());
  if (ended_) return false;
  if (!memory_.write(address, &value, size))
    return fail(format("writes {} bytes at {}", size, memory_.place(address)));
  return true;
}

bool Interpreter::atomic(Frame& frame, Insn insn) {
  uint32_t size = access_bytes(insn.code);
  if (insn.imm == kLoadAcq || insn.imm == kStoreRel) {
    Insn plain = insn;
    bool load = insn.imm == kLoadAcq;
    plain.code = uint8_t((load ? kLdx : kStx) | kMem | (insn.code & 0x18));
    return load_store(frame, plain);
  }
  uint64_t address = read_register(frame, insn.dst()) + uint64_t(int64_t(insn.off));
  uint64_t operand = read_register(frame, insn.src()), old = 0;
  if (ended_) return false;
  if (size == 4) operand = uint32_t(operand);
  if (!memory_.read(address, &old, size)) return fail(format("atomic access at {}", memory_.place(address)));
  uint64_t fresh = old;
  switch (insn.imm & ~kFetch) {
    case kAdd: fresh = old + operand; break;
    case kOr: fresh = old | operand; break;
    case kAnd: fresh = old & operand; break;
    case kXor: fresh = old ^ operand; break;
    case kXchg & ~kFetch: fresh = operand; break;
    case kCmpxchg & ~kFetch: {
      uint64_t expected = read_register(frame, 0);
      if (size == 4) expected = uint32_t(expected);
      if (old == expected) fresh = operand;
      define(frame, 0, old);
      break;
    }
    default: return fail("unknown atomic operation");
  }
  if (insn.imm & kFetch && (insn.imm & ~kFetch) != (kCmpxchg & ~kFetch)) define(frame, insn.src(), old);
  if (!memory_.write(address, &fresh, size))
    return fail(format("atomic access at {}", memory_.place(address)));
  return !ended_;
}

bool Interpreter::legacy_load(Frame& frame, Insn insn) {
  read_register(frame, 6);
  uint64_t offset = uint64_t(int64_t(insn.imm));
  if ((insn.code & 0xe0) == kInd) offset += uint32_t(read_register(frame, insn.src()));
  uint32_t size = access_bytes(insn.code);
  frame.defined &= uint16_t(~0x3e);
  uint64_t value = 0;
  offset = uint32_t(offset);
  // As the program left it, not as it came.
  const std::vector<uint8_t>* written = memory_.region(kPacketBase);
  const std::vector<uint8_t>& packet = written ? *written : input_.packet;
  if (offset + size > packet.size()) {
    // The kernel ends the program with 0.
    define(frame, 0, 0);
    out_.events.push_back({"left by ld_abs", {}});
    ended_ = true;
    return false;
  }
  for (uint32_t n = 0; n < size; ++n) value = value << 8 | packet[offset + n];
  define(frame, 0, value);
  return !ended_;
}

}  // namespace epass::vm
