#include "ir/interpret.h"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>

#include "base/format.h"
#include "bpf/contracts.h"
#include "ir/eval.h"

namespace epass {
namespace {

constexpr uint64_t kFramePointer = 0x7fff'0000'1000;
constexpr uint64_t kFrameBytes = 4096;  // placed slots in the upper 512, the others below them
constexpr uint64_t kMostFrames = 8;

uint64_t mix(uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}
uint64_t mix(uint64_t a, uint64_t b) { return mix(a * 0x9e3779b97f4a7c15 + b + 1); }
uint64_t mix(std::string_view text) {
  uint64_t h = text.size();
  for (char c : text) h = mix(h, static_cast<unsigned char>(c));
  return h;
}

struct Word {
  uint64_t bits = 0;
  bool defined = false;
};

class Interpreter {
 public:
  Interpreter(const Function& fn, const Symbols& symbols, const InterpretOptions& options)
      : here_{&fn}, symbols_(symbols), options_(options) {}

  Behaviour run(std::span<const uint64_t> args) {
    std::vector<Word> words;
    for (size_t n = 0; n < fn().params(fn().entry()).size(); ++n)
      words.push_back({n < args.size() ? args[n] : mix(options_.seed, n + 100), true});
    const Word result = body(words);
    if (!ended_)
      end(result.defined ? Behaviour::End::kReturned : Behaviour::End::kReturnedNothing, result.bits);
    if (out_.end != Behaviour::End::kUndefined && out_.end != Behaviour::End::kOutOfSteps) show_stores();
    return std::move(out_);
  }

 private:
  // The function that runs.
  struct Activation {
    const Function* fn = nullptr;
    SideTable<Value, Word> values = SideTable<Value, Word>();
    std::vector<uint64_t> slots = {};  // addresses
    std::optional<Word> returned = {};
  };
  const Function& fn() const { return *here_.fn; }

  // Runs `here_` up to its return.
  Word body(std::span<const Word> args) {
    const uint64_t frame = kFramePointer - depth_ * kFrameBytes;
    int64_t below = -512;
    for (uint32_t s = 0; s < fn().slots.size(); ++s) {
      const SlotData& slot = fn().slots[Slot{s}];
      if (!slot.place) below -= int64_t(slot.size + 7) & ~7;
      here_.slots.push_back(frame + uint64_t(slot.place ? slot.place : below));
    }
    const auto params = fn().params(fn().entry());
    for (size_t n = 0; n < params.size(); ++n) set(params[n], n < args.size() ? args[n] : Word{});
    for (Inst at = fn().blocks[fn().entry()].first; !ended_ && !here_.returned; at = execute(at))
      if (++steps_ > options_.steps) end(Behaviour::End::kOutOfSteps);
    return here_.returned.value_or(Word{});
  }

  Word call_function(Inst i, const Function& callee) {
    std::vector<Word> args;
    for (size_t n = 0; n < fn().operands(i).size(); ++n) args.push_back(get(i, n));
    if (depth_ == kMostFrames - 1) return end(Behaviour::End::kUndefined), Word{};
    Activation caller = std::exchange(here_, Activation{&callee});
    ++depth_;
    const Word result = body(args);
    --depth_;
    here_ = std::move(caller);
    return result;
  }

  void set(Value v, Word w) {
    here_.values.at(v) = w;
    if (options_.watch) options_.watch(v, w.defined ? std::optional(w.bits) : std::nullopt);
  }
  Word get(Inst i, size_t n) const { return here_.values[fn().operand(i, n)]; }

  void end(Behaviour::End how, uint64_t result = 0) { out_.end = how, out_.result = result, ended_ = true; }
  void effect(std::string text) {
    show_stores();
    out_.effects.push_back(std::move(text));
  }
  // What the plain stores since the last effect left, byte by byte: nobody can tell in which order, or how
  // many at once.
  void show_stores() {
    if (stored_.empty()) return;
    std::string text = "stores";
    for (const auto& [address, byte] : stored_)
      text += byte ? format(" {:#x}={:#x}", address, *byte) : format(" {:#x}=undef", address);
    stored_.clear();
    out_.effects.push_back(std::move(text));
  }

  static bool in_frame(uint64_t address) { return kFramePointer - address - 1 < kFrameBytes * kMostFrames; }

  uint64_t read(uint64_t address, uint32_t bytes) const {
    uint64_t value = 0;
    for (uint32_t n = 0; n < bytes; ++n) {
      auto found = memory_.find(address + n);
      uint64_t epoch = in_frame(address + n) ? 0 : epoch_;
      uint64_t byte = found != memory_.end() ? found->second : mix(mix(options_.seed, epoch), address + n);
      value |= (byte & 0xff) << 8 * n;
    }
    return value;
  }
  // The bytes there up to the first that nothing was written to, at most 8.
  uint64_t read_written(uint64_t address) const {
    uint32_t bytes = 0;
    while (bytes < 8 && memory_.contains(address + bytes)) ++bytes;
    return read(address, bytes);
  }
  void write(uint64_t address, uint64_t value, uint32_t bytes) {
    for (uint32_t n = 0; n < bytes; ++n) memory_[address + n] = uint8_t(value >> 8 * n);
  }

  // Follows edge `n`: all arguments are read before any parameter is set.
  Inst follow(Inst i, size_t n) {
    Edge e = fn().edge(i, n);
    std::vector<Word> words;
    for (Value v : fn().args(e)) words.push_back(here_.values[fn().resolve(v)]);
    Block to = fn().edges[e].to;
    auto params = fn().params(to);
    for (size_t k = 0; k < params.size(); ++k) set(params[k], words[k]);
    return fn().blocks[to].first;
  }

  Inst branch(Inst i) {
    const InstData& d = fn().insts[i];
    switch (d.op) {
      case Opcode::Jump: return follow(i, 0);
      case Opcode::MayGoto: {
        // One budget for all that one of the input became: how often others ran must not show.
        uint32_t& left = may_goto_left_.try_emplace(d.origin, options_.may_goto_budget).first->second;
        return follow(i, left && left-- ? 1 : 0);
      }
      case Opcode::Return: {
        here_.returned = get(i, 0);
        return i;
      }
      case Opcode::Unreachable: end(Behaviour::End::kUndefined); return i;
      default: break;
    }
    for (size_t n = 0; n < d.operand_count; ++n)
      if (!get(i, n).defined) return end(Behaviour::End::kUndefined), i;
    if (d.op == Opcode::GotoX) return follow(i, get(i, 0).bits % d.edge_count);
    return follow(i, eval_condition(d.op, d.width, get(i, 0).bits, get(i, 1).bits) ? 0 : 1);
  }

  Inst execute(Inst i) {
    const InstData& d = fn().insts[i];
    if (ends_block(d.op)) return branch(i);
    Word result;
    if (is_call(d.op))
      result = call(i);
    else if (d.op == Opcode::LdAbs || d.op == Opcode::LdInd)
      result = packet(i);
    else if (info(d.op).fields & kSize)
      result = memory(i);
    else
      result = compute(i);
    if (d.result) set(d.result, result);
    return fn().next(i);
  }

  Word compute(Inst i) const {
    const InstData& d = fn().insts[i];
    switch (d.op) {
      // The loader changes CO-RE constants.
      case Opcode::Const:
        return {d.core == kNoCore ? uint64_t(d.imm) : mix(options_.seed, d.core) & 0xffff, true};
      case Opcode::Undef: return {};
      case Opcode::Symbol: return {(mix(symbols_[d.symbol].name) & 0xffff'ffff'f000) + uint64_t(d.imm), true};
      case Opcode::SlotAddr: return {here_.slots[d.slot.index] + uint64_t(d.imm), true};
      default: break;
    }
    Word x = get(i, 0);
    if (d.op == Opcode::AddrSpaceCast) return {x.bits ^ mix(uint64_t(d.imm)), x.defined};
    if (d.operand_count == 1) return {eval_unary(d.op, d.width, x.bits), x.defined};
    Word y = get(i, 1);
    return {eval_binary(d.op, d.width, x.bits, y.bits), x.defined && y.defined};
  }

  Word memory(Inst i) {
    const InstData& d = fn().insts[i];
    const uint32_t bytes = bytes_of(d.size);
    const uint64_t mask = bytes == 8 ? UINT64_MAX : (uint64_t{1} << 8 * bytes) - 1;
    if (!get(i, 0).defined) return end(Behaviour::End::kUndefined), Word{};
    uint64_t address = get(i, 0).bits + uint64_t(int64_t(d.offset));
    // The loader changes the offset.
    if (d.core != kNoCore) address += mix(options_.seed, d.core) & 0xff8;
    const uint64_t old = read(address, bytes);
    if (d.op == Opcode::Load || d.op == Opcode::LoadAcquire) {
      if (d.op == Opcode::LoadAcquire) effect(format("load_acquire {:#x}", address));
      switch (d.size) {
        case MemSize::kS8: return {uint64_t(int64_t(int8_t(old))), true};
        case MemSize::kS16: return {uint64_t(int64_t(int16_t(old))), true};
        case MemSize::kS32: return {uint64_t(int64_t(int32_t(old))), true};
        default: return {old, true};
      }
    }
    const Word operand = get(i, d.op == Opcode::CmpXchg ? 2 : 1);
    const Width width = bytes == 8 ? Width::k64 : Width::k32;
    uint64_t now = operand.bits & mask;
    switch (d.op) {
      case Opcode::AtomicAdd:
      case Opcode::FetchAdd: now = eval_binary(Opcode::Add, width, old, now); break;
      case Opcode::AtomicAnd:
      case Opcode::FetchAnd: now = old & now; break;
      case Opcode::AtomicOr:
      case Opcode::FetchOr: now = old | now; break;
      case Opcode::AtomicXor:
      case Opcode::FetchXor: now = old ^ now; break;
      case Opcode::CmpXchg: now = old == (get(i, 1).bits & mask) ? now : old; break;
      default: break;
    }
    write(address, now, bytes);
    const bool plain = d.op == Opcode::Store || (options_.additions_are_stores && d.op == Opcode::AtomicAdd);
    if (plain && !in_frame(address)) {
      for (uint32_t n = 0; n < bytes; ++n)
        stored_[address + n] = operand.defined ? std::optional(uint8_t(now >> 8 * n)) : std::nullopt;
    }
    if (!plain)
      effect(format("{}.{} {:#x} {}", info(d.op).mnemonic, bytes, address,
                    operand.defined ? format("{:#x}", now) : "undef"));
    return {old, true};
  }

  Word packet(Inst i) {
    const InstData& d = fn().insts[i];
    uint64_t at = uint64_t(d.imm);
    if (d.op == Opcode::LdInd) {
      if (!get(i, 1).defined) return end(Behaviour::End::kUndefined), Word{};
      at += get(i, 1).bits;
    }
    effect(format("{}.{} {:#x}", info(d.op).mnemonic, bytes_of(d.size), uint32_t(at)));
    if (mix(mix(options_.seed, 7), uint32_t(at)) % 16 == 0) return end(Behaviour::End::kReturned), Word{};
    const uint64_t value = mix(mix(options_.seed, 8), uint32_t(at));
    return {value & ((uint64_t{1} << 8 * bytes_of(d.size)) - 1), true};
  }

  // Whether a call leaves what that argument points to as it is.
  static bool only_reads(const InstData& d, size_t n) {
    const bpf::HelperContract* helper = d.op == Opcode::CallHelper ? bpf::helper(int32_t(d.imm)) : nullptr;
    return helper && n < helper->args.size() && (helper->args[n] == 'k' || helper->args[n] == 'r');
  }

  // Whether a call may change memory outside of the frame.
  bool changes_memory(Inst i) const {
    const InstData& d = fn().insts[i];
    const bpf::Touch touch =
        d.op == Opcode::CallHelper ? bpf::touch_of(int32_t(d.imm)) : bpf::Touch::kAnything;
    if (touch != bpf::Touch::kBuffer) return touch == bpf::Touch::kAnything;
    const std::string_view kinds = bpf::helper(int32_t(d.imm))->args;
    for (size_t n = 0; n < std::min<size_t>(kinds.size(), d.operand_count); ++n)
      if (const Word w = get(i, n); kinds[n] == 'w' && (!w.defined || !in_frame(w.bits))) return true;
    return false;
  }

  // The element of an array; none: it is no such lookup.
  std::optional<Word> array_element(Inst i) const {
    const InstData& d = fn().insts[i];
    if (d.op != Opcode::CallHelper || d.imm != bpf::kMapLookupElem || d.operand_count < 2) return {};
    const Inst map = fn().def(fn().source(fn().operand(i, 0)));
    if (!map || fn().insts[map].op != Opcode::Symbol || !get(i, 1).defined) return {};
    const bpf::Symbol& symbol = symbols_[fn().insts[map].symbol];
    if (!bpf::has_fixed_elements(symbol.map_type)) return {};
    const uint64_t h = mix(mix(mix(options_.seed, 17), mix(symbol.name)), read(get(i, 1).bits, 4));
    return Word{h % 4 == 0 ? 0 : h & 0xffff'ffff'fff8, true};
  }

  // A call may change all memory but the frame, and of the frame what it gets a pointer to.
  Word call(Inst i) {
    const InstData& d = fn().insts[i];
    const bool follows = !options_.functions.empty();
    if (d.op == Opcode::CallFunc && follows)
      if (const bpf::FunctionId id = symbols_[d.symbol].function; id && id.index < options_.functions.size())
        return call_function(i, options_.functions[id.index]);
    if (const auto element = array_element(i)) return *element;
    std::string text = std::string(info(d.op).mnemonic);
    if (d.symbol) text += " " + symbols_[d.symbol].name;
    text += format("#{}+{}(", d.imm, d.offset);
    for (size_t n = 0; n < d.operand_count; ++n) {
      Word w = get(i, n);
      text += n ? ", " : "";
      const bool is_pointer = w.defined && in_frame(w.bits);
      text += !w.defined ? "undef" : is_pointer && follows ? "frame" : format("{:#x}", w.bits);
      if (is_pointer) text += format("={:#x}", follows ? read_written(w.bits) : read(w.bits, 8));
    }
    text += ")";
    const uint64_t h = mix(mix(options_.seed, ++calls_), mix(text));
    if (changes_memory(i)) {
      ++epoch_;
      std::erase_if(memory_, [](const auto& byte) { return !in_frame(byte.first); });
    }
    for (size_t n = 0; n < d.operand_count; ++n)
      if (Word w = get(i, n); w.defined && in_frame(w.bits) && !only_reads(d, n)) write(w.bits, mix(h, n), 8);
    effect(std::move(text));
    // Small results and null are what programs ask for.
    const uint64_t result = mix(h, 99);
    return {result % 4 == 0 ? 0 : result % 4 == 1 ? result >> 56 : result, true};
  }

  Activation here_;
  const Symbols& symbols_;
  const InterpretOptions& options_;
  std::unordered_map<uint64_t, uint8_t> memory_;
  std::map<uint64_t, std::optional<uint8_t>> stored_;  // since the last effect; none: undefined
  uint64_t calls_ = 0;
  uint64_t epoch_ = 0;                          // calls so far that may have changed memory
  std::map<uint32_t, uint32_t> may_goto_left_;  // by origin
  uint64_t depth_ = 0, steps_ = 0;
  bool ended_ = false;
  Behaviour out_;
};

}  // namespace

Behaviour interpret(const Function& fn, const Symbols& symbols, std::span<const uint64_t> args,
                    InterpretOptions options) {
  return Interpreter(fn, symbols, options).run(args);
}

std::string difference(const Behaviour& before, const Behaviour& after) {
  using End = Behaviour::End;
  size_t common = std::min(before.effects.size(), after.effects.size());
  for (size_t n = 0; n < common; ++n)
    if (before.effects[n] != after.effects[n] && before.effects[n].find("undef") == std::string::npos)
      return format("effect {}: `{}` before, `{}` after", n, before.effects[n], after.effects[n]);
  if (before.end == End::kUndefined || before.end == End::kOutOfSteps) {
    const bool missing = after.end != End::kOutOfSteps && after.effects.size() < before.effects.size();
    return missing ? format("only {} effects after", after.effects.size()) : "";
  }
  if (after.end == End::kOutOfSteps) return "ended before, does not end after";
  if (before.effects.size() != after.effects.size())
    return format("{} effects before, {} after", before.effects.size(), after.effects.size());
  if (before.end == End::kReturnedNothing) return "";
  if (after.end != End::kReturned) return format("returned {:#x} before, nothing after", before.result);
  if (before.result != after.result)
    return format("returned {:#x} before, {:#x} after", before.result, after.result);
  return "";
}

}  // namespace epass
