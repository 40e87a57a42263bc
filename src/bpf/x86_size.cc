#include "bpf/x86_size.h"

#include <algorithm>
#include <array>

#include "bpf/contracts.h"

namespace epass::bpf {
namespace {

// The JIT's registers: r0 rax, r1 rdi, r2 rsi, r3 rdx, r4 rcx, r5 r8, r6 rbx, r7 r13, r8 r14, r9 r15, r10
// rbp.
constexpr uint32_t kExtended = 1u << 5 | 1u << 7 | 1u << 8 | 1u << 9;
// The low byte of rdi, rsi and rbp can only be named with a prefix.
constexpr uint32_t kByteExtended = kExtended | 1u << 1 | 1u << 2 | 1u << 10;
constexpr uint32_t kRax = 0, kRdx = 3, kRcx = 4;

constexpr bool in(uint32_t set, uint32_t reg) { return set >> reg & 1; }
constexpr bool is_imm8(int64_t imm) { return imm == int8_t(imm); }

class Sizer {
 public:
  Sizer(std::span<const Insn> insns, std::span<const Attachment> attachments, const X86Target& target)
      : insns_(insns), attachments_(attachments), target_(target), lengths_(insns.size()) {}

  std::vector<uint16_t> run() {
    for (const Insn& insn : insns_)
      for (uint32_t reg : {uint32_t(insn.dst()), uint32_t(insn.src())})
        if (reg >= 6 && reg <= 9 && insn.code) used_ |= 1u << reg;
    jumps_.reserve(insns_.size() / 4), fixed_.reserve(insns_.size() / 4);
    bool seen_exit = false;
    for (uint32_t n = 0; n < insns_.size(); n += records(insns_[n])) {
      const Insn insn = insns_[n];
      if (is_jump(insn)) {
        jumps_.push_back(n);
        fixed_.push_back(uint16_t(insn.code == kCodeMayGoto        ? 0
                                  : is_conditional_jump(insn.code) ? compare(insn)
                                                                   : 0));
        lengths_[n] = uint16_t(fixed_.back() + (is_conditional_jump(insn.code) ? 6 : 5));
      } else if (insn.code == kCodeExit && seen_exit) {
        jumps_.push_back(n);
        fixed_.push_back(0);
        lengths_[n] = 5;
      } else if (insn.code == kCodeExit) {
        seen_exit = true;
        exit_ = n;
        lengths_[n] = uint16_t(saved_bytes() + 1 + target_.return_bytes);
      } else {
        lengths_[n] = uint16_t(length(insn, n));
      }
    }
    shorten();
    return std::move(lengths_);
  }

  uint32_t prologue() const {
    int depth = 0;
    bool frame = false;
    for (const Insn& insn : insns_) {
      const bool base_is_dst = insn.cls() == kSt || insn.cls() == kStx;
      const uint8_t base = base_is_dst ? insn.dst() : insn.src();
      if (insn.cls() >= kLdx && insn.cls() <= kStx && base == kFrameRegister)
        depth = std::min<int>(depth, insn.off);
      frame |= insn.src() == kFrameRegister || insn.dst() == kFrameRegister;
    }
    return target_.prologue + saved_bytes() + (frame || depth ? 7 : 0);
  }

 private:
  static bool is_jump(Insn insn) {
    return is_conditional_jump(insn.code) || is_unconditional_jump(insn.code);
  }
  uint32_t saved_bytes() const {
    return uint32_t(in(used_, 6)) + 2 * (uint32_t(in(used_, 7)) + in(used_, 8) + in(used_, 9));
  }

  // The prefix of a form with these registers, 0 or 1.
  static uint32_t prefix(bool wide, uint32_t a, uint32_t b = kRax) {
    return wide || in(kExtended, a) || in(kExtended, b);
  }
  static uint32_t move(bool wide, uint32_t a, uint32_t b) {
    return a == b && wide ? 3 : prefix(wide, a, b) + 2;
  }
  static uint32_t make(bool wide, uint32_t reg, int32_t imm) {
    if (wide && imm < 0) return 7;
    return prefix(false, reg) + (imm == 0 ? 2 : 5);
  }
  static uint32_t address(int16_t off) { return is_imm8(off) ? 2 : 5; }

  uint32_t length(Insn insn, uint32_t n) const {
    switch (insn.cls()) {
      case kLd: return legacy(insn, n);
      case kLdx: return load(insn);
      case kSt: return store_immediate(insn);
      case kStx: return (insn.code & 0xe0) == kAtomic ? atomic(insn) : store(insn);
      case kAlu:
      case kAlu64: return alu(insn);
      default: return call(insn);
    }
  }

  uint32_t legacy(Insn insn, uint32_t n) const {
    if (!is_ld_imm64(insn)) return kPacketLoad;
    const bool is_address = insn.src() || has_symbol(n);
    const uint64_t imm = n + 1 < insns_.size() ? imm64(insn, insns_[n + 1]) : 0;
    if (!is_address && imm == uint32_t(imm)) return make(false, insn.dst(), insn.imm);
    if (!is_address && int64_t(imm) == int32_t(imm)) return 7;
    return 10;
  }
  bool has_symbol(uint32_t n) const {
    auto at = std::ranges::lower_bound(attachments_, n, {}, &Attachment::insn);
    return at != attachments_.end() && at->insn == n;
  }

  static uint32_t load(Insn insn) {
    const bool sign = (insn.code & 0xe0) == kMemsx;
    const uint32_t bytes = access_bytes(insn.code);
    if (bytes <= 2) return 3 + address(insn.off);
    return prefix(bytes == 8 || sign, insn.dst(), insn.src()) + 1 + address(insn.off);
  }
  static uint32_t store(Insn insn) {
    const uint32_t bytes = access_bytes(insn.code);
    const bool extended = in(kExtended, insn.dst()) || in(bytes == 1 ? kByteExtended : kExtended, insn.src());
    return uint32_t(bytes == 8 || extended) + (bytes == 2) + 1 + address(insn.off);
  }
  static uint32_t store_immediate(Insn insn) {
    const uint32_t bytes = access_bytes(insn.code);
    return prefix(bytes == 8, insn.dst()) + (bytes == 2) + 1 + address(insn.off) + std::min(bytes, 4u);
  }
  static uint32_t atomic(Insn insn) {
    const bool wide = access_bytes(insn.code) == 8;
    const uint32_t base = prefix(wide, insn.dst(), insn.src()) + address(insn.off);
    switch (insn.imm) {
      case kAdd:
      case kAnd:
      case kOr:
      case kXor: return base + 2;
      case int32_t{kAdd} | kFetch:
      case kCmpxchg: return base + 3;
      case kXchg: return base + 2;
      case kLoadAcq:
      case kStoreRel: return access_bytes(insn.code) <= 2 ? 5 : base + 1;
      default: return base + 26;  // a loop around cmpxchg
    }
  }

  uint32_t alu(Insn insn) const {
    const bool wide = insn.cls() == kAlu64, reg = insn.code & kX;
    const uint32_t dst = insn.dst(), src = insn.src();
    switch (insn.code & 0xf0) {
      case kAdd:
      case kSub:
      case kAnd:
      case kOr:
      case kXor:
        if (reg) return prefix(wide, dst, src) + 2;
        return prefix(wide, dst) + (is_imm8(insn.imm) ? 3 : dst == kRax ? 5 : 6);
      case kMov:
        if (!reg) return make(wide, dst, insn.imm);
        if (insn.off == 8 || insn.off == 16)
          return (wide || in(kExtended, dst) || in(insn.off == 8 ? kByteExtended : kExtended, src)) + 3u;
        return insn.off == 32 ? 3 : move(wide, dst, src);
      case kNeg: return prefix(wide, dst) + 2;
      case kMul:
        if (reg) return prefix(wide, dst, src) + 3;
        return prefix(wide, dst) + (is_imm8(insn.imm) ? 3 : 6);
      case kDiv:
      case kMod: return divide(insn, wide, reg);
      case kLsh:
      case kRsh:
      case kArsh:
        if (!reg) return prefix(wide, dst) + (insn.imm == 1 ? 2 : 3);
        return shift(wide, dst, src);
      default: return swap(insn, dst);
    }
  }
  uint32_t shift(bool wide, uint32_t dst, uint32_t src) const {
    if (target_.bmi2 && src != kRcx) return 5;
    uint32_t bytes = prefix(wide, dst == kRcx ? 5 : dst) + 2;
    if (src != kRcx) bytes += 1 + 3 + 1;
    if (dst == kRcx) bytes += 3 + 3;
    return bytes;
  }
  static uint32_t swap(Insn insn, uint32_t dst) {
    const uint32_t extended = in(kExtended, dst);
    const bool to_little = insn.cls() == kAlu && !(insn.code & kX);
    switch (insn.imm) {
      case 16: return to_little ? 3 + extended : 7 + 2 * extended;
      case 32: return 2 + extended;
      default: return to_little ? 0 : 3;
    }
  }
  // The verifier puts a test for zero in front of a division by a register.
  static uint32_t divide(Insn insn, bool wide, bool reg) {
    const uint32_t dst = insn.dst();
    uint32_t src = insn.src(), bytes = 0;
    const bool is_mod = (insn.code & 0xf0) == kMod, is_signed = insn.off == 1;
    if (reg) {
      const uint32_t test = prefix(wide, src, src) + 2 + 2;
      bytes +=
          is_mod ? test + (wide ? 0 : 2 + move(false, dst, dst)) : test + prefix(false, dst, dst) + 2 + 2;
      if (is_signed) bytes += 12;
    }
    bytes += 2 * (dst != kRax) + 2 * (dst != kRdx);
    if (reg && (src == kRax || src == kRdx)) bytes += 3, src = 5;
    if (!reg) bytes += 7, src = 5;
    if (dst != kRax) bytes += move(wide, kRax, dst);
    bytes += is_signed && !wide ? 1 : 2;
    bytes += prefix(wide, src) + 2;
    if (is_mod && dst != kRdx) bytes += move(wide, dst, kRdx);
    if (!is_mod && dst != kRax) bytes += move(wide, dst, kRax);
    return bytes;
  }

  uint32_t call(Insn insn) const {
    if (insn.code == kCodeCall && insn.src() == kHelperCall && insn.imm == kTailCall)
      return 50 + saved_bytes();
    return 5;
  }

  // Of a conditional jump without the jump.
  static uint32_t compare(Insn insn) {
    const bool wide = insn.cls() == kJmp;
    if (insn.code & kX) return prefix(wide, insn.dst(), insn.src()) + 2;
    if ((insn.code & 0xf0) == kJset) return prefix(wide, insn.dst()) + 6;
    if (insn.imm == 0) return prefix(wide, insn.dst()) + 2;
    return prefix(wide, insn.dst()) + (is_imm8(insn.imm) ? 3 : 6);
  }

  // Begins with long jumps and shortens them until nothing changes, as the JIT does pass by pass.
  void shorten() {
    const std::vector<Way> ways = measure();
    std::vector<uint32_t> before(jumps_.size() + 1);  // bytes of all jumps in front of each
    for (int round = 0; round < kMaxRounds; ++round) {
      for (size_t k = 0; k < jumps_.size(); ++k) before[k + 1] = before[k] + lengths_[jumps_[k]];
      bool changed = false;
      for (size_t k = 0; k < jumps_.size(); ++k) {
        if (!ways[k].is_known) continue;
        const Insn insn = insns_[jumps_[k]];
        const bool is_exit = insn.code == kCodeExit, conditional = is_conditional_jump(insn.code);
        const int64_t distance = ways[k].bytes + int64_t(before[ways[k].jumps_in_front]) - before[k + 1];
        const bool is_short = distance >= -128 && distance <= 123;
        const uint16_t bytes = !conditional && distance == 0 && !is_exit
                                   ? 0
                                   : uint16_t(fixed_[k] + (is_short      ? 2
                                                           : conditional ? 6
                                                                         : 5));
        changed |= bytes != lengths_[jumps_[k]];
        lengths_[jumps_[k]] = bytes;
      }
      if (!changed) break;
    }
  }

  // Where a jump leads: so many bytes on, not counting jumps, and with so many jumps in front of it in the
  // function.
  struct Way {
    bool is_known = false;
    int64_t bytes = 0;
    uint32_t jumps_in_front = 0;
  };
  std::vector<Way> measure() const {
    std::vector<uint32_t> start(insns_.size() + 1), jumps(insns_.size() + 1);
    uint32_t k = 0, bytes = 0;
    for (uint32_t n = 0; n < insns_.size(); ++n) {
      start[n] = bytes, jumps[n] = k;
      if (k < jumps_.size() && jumps_[k] == n)
        ++k;
      else
        bytes += lengths_[n];
    }
    start.back() = bytes, jumps.back() = k;
    std::vector<Way> ways(jumps_.size());
    for (k = 0; k < jumps_.size(); ++k) {
      const Insn insn = insns_[jumps_[k]];
      const int64_t to = insn.code == kCodeExit ? exit_ : jump_target(insn, jumps_[k]);
      if (to < 0 || to > int64_t(insns_.size())) continue;
      ways[k] = {true, int64_t(start[size_t(to)]) - start[jumps_[k] + 1], jumps[size_t(to)]};
    }
    return ways;
  }

  static constexpr int kMaxRounds = 20;
  static constexpr uint32_t kPacketLoad = 60;

  std::span<const Insn> insns_;
  std::span<const Attachment> attachments_;
  const X86Target& target_;
  std::vector<uint16_t> lengths_, fixed_;
  std::vector<uint32_t> jumps_;
  uint32_t used_ = 0, exit_ = 0;
};

}  // namespace

std::vector<uint16_t> x86_lengths(std::span<const Insn> insns, std::span<const Attachment> attachments,
                                  const X86Target& target) {
  return Sizer(insns, attachments, target).run();
}

uint32_t x86_size(std::span<const Insn> insns, std::span<const Attachment> attachments,
                  const X86Target& target) {
  Sizer sizer(insns, attachments, target);
  const std::vector<uint16_t> lengths = sizer.run();
  uint32_t bytes = sizer.prologue();
  for (uint16_t n : lengths) bytes += n;
  return bytes;
}

}  // namespace epass::bpf
