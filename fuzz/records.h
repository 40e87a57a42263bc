#pragma once
// Changes bytecode as a program: instructions come, go, and get other fields, and most results are healed
// until the static check finds nothing. What LLVMFuzzerCustomMutator calls.

#include <algorithm>
#include <cstring>
#include <iterator>
#include <random>
#include <span>
#include <vector>

#include "bpf/check.h"
#include "object/dump.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace epass::fuzz {

class Records {
 public:
  explicit Records(unsigned seed) : random_(seed) {}

  size_t mutate(uint8_t* data, size_t size, size_t max_size) {
    if (random_() % 4 == 0) size = LLVMFuzzerMutate(data, size, max_size);
    insns_.resize(size / sizeof(bpf::Insn));
    if (!insns_.empty()) std::memcpy(insns_.data(), data, insns_.size() * sizeof(bpf::Insn));
    for (uint64_t changes = 1 + random_() % 6; changes; --changes) change();
    if (random_() % 8) heal();
    insns_.resize(std::min(insns_.size(), max_size / sizeof(bpf::Insn)));
    if (!insns_.empty()) std::memcpy(data, insns_.data(), insns_.size() * sizeof(bpf::Insn));
    return insns_.size() * sizeof(bpf::Insn);
  }

 private:
  uint8_t pick(std::initializer_list<uint8_t> codes) { return codes.begin()[random_() % codes.size()]; }
  int32_t constant() {
    static constexpr int32_t kConstants[] = {0,  1,  2,   3,    4,  8,  16,        31,
                                             32, 63, 255, 4096, -1, -8, INT32_MIN, INT32_MAX};
    return random_() % 4 ? kConstants[random_() % std::size(kConstants)] : int32_t(random_());
  }

  bpf::Insn instruction() {
    using namespace bpf;
    const uint8_t d = uint8_t(random_() % 10), s = uint8_t(random_() % 10), size = pick({kW, kH, kB, kDw});
    const uint8_t alu = uint8_t(pick({kAlu, kAlu64}) | pick({kAdd, kSub, kMul, kDiv, kOr, kAnd, kLsh, kRsh,
                                                             kMod, kXor, kMov, kArsh}));
    const uint8_t jump = uint8_t(
        pick({kJmp, kJmp32}) | pick({kJeq, kJgt, kJge, kJset, kJne, kJsgt, kJsge, kJlt, kJle, kJslt, kJsle}));
    const int16_t slot = int16_t(-8 * int(1 + random_() % 64)), to = int16_t(random_() % 8) - 1;
    static constexpr int32_t kHelpers[] = {1, 2, 3, 5, 6, 7, 8, 12, 14, 15, 25, 130, 131, 181};
    switch (random_() % 16) {
      case 0:
      case 1:
      case 2: return make_insn(alu, d, 0, 0, 1 + int32_t(random_() % 31));
      case 3:
      case 4: return make_insn(alu | kX, d, s, 0, 0);
      case 5: return make_insn(uint8_t(kStx | kMem | size), 10, s, slot, 0);
      case 6: return make_insn(uint8_t(kSt | kMem | size), 10, 0, slot, constant());
      case 7: return make_insn(uint8_t(kLdx | kMem | size), d, 10, slot, 0);
      case 8: return make_insn(uint8_t(kLdx | kMem | size), d, 1, int16_t(random_() % 64), 0);
      case 9:
        return make_insn(uint8_t(kStx | kAtomic | kDw), 10, s, slot, random_() % 2 ? int(kAdd) : int(kXchg));
      case 10: return make_insn(kCodeCall, 0, 0, 0, kHelpers[random_() % std::size(kHelpers)]);
      case 11: return make_insn(kCodeCall, 0, kLocalCall, 0, int32_t(random_() % 8));
      case 12:
      case 13: return make_insn(jump, d, 0, to, constant());
      case 14: return make_insn(jump | kX, d, s, to, 0);
      default: return make_insn(random_() % 3 ? kCodeExit : kCodeJa, 0, 0, 0, 0);
    }
  }

  void change() {
    const size_t at = insns_.empty() ? 0 : random_() % insns_.size();
    const auto place = insns_.begin() + ptrdiff_t(at);
    if (insns_.empty() || random_() % 3 == 0) {
      insns_.insert(place, instruction());
      return;
    }
    switch (random_() % 9) {
      case 0: insns_.erase(place); break;
      case 1: place->code = uint8_t(place->code ^ 1u << random_() % 8); break;
      case 2: place->set_dst(uint8_t(random_() % 12)); break;
      case 3: place->set_src(uint8_t(random_() % 12)); break;
      case 4:
        place->off = int16_t(random_() % 2 ? random_() : uint64_t(place->off) + random_() % 17 - 8);
        break;
      case 5: place->imm = constant(); break;
      case 6: *place = instruction(); break;
      case 7: std::swap(*place, insns_[random_() % insns_.size()]); break;
      default: {
        // A 64-bit constant has two records.
        const bpf::Insn halves[] = {
            bpf::make_insn(bpf::kCodeLdImm64, uint8_t(random_() % 10), 0, 0, constant()),
            bpf::make_insn(0, 0, 0, 0, constant())};
        insns_.insert(place, std::begin(halves), std::end(halves));
      }
    }
  }

  // Replaces what the check names, until it names nothing or does not get better.
  void heal() {
    for (int round = 0; round < 12; ++round) {
      while (!insns_.empty() && insns_.back().code == 0) insns_.pop_back();
      if (insns_.empty() || insns_.back().code != bpf::kCodeExit)
        insns_.push_back(bpf::make_insn(bpf::kCodeExit, 0, 0, 0, 0));
      auto program = object::split_flat(insns_, "fuzz");
      if (!program) {
        for (bpf::Insn& insn : insns_)
          if (insn.src() && (insn.code == bpf::kCodeCall || bpf::is_ld_imm64(insn))) insn = set(insn);
        continue;
      }
      const std::vector<bpf::Fault> faults = bpf::check(*program);
      if (faults.empty()) return;
      for (size_t n = faults.size(); n-- > 0;) {
        const bpf::Fault& fault = faults[n];
        const size_t at = program->functions[fault.function].section_insn + fault.insn;
        if (at >= insns_.size()) continue;
        const auto place = insns_.begin() + ptrdiff_t(at);
        if (fault.message.starts_with("no path leads"))
          insns_.erase(place);
        else if (place->code == bpf::kCodeExit)
          insns_.insert(place, bpf::make_insn(bpf::kAlu64 | bpf::kMov, 0, 0, 0, 1));
        else
          *place = set(*place);
      }
    }
  }
  static bpf::Insn set(bpf::Insn insn) {
    return bpf::make_insn(bpf::kAlu64 | bpf::kMov, uint8_t(insn.dst() % 10), 0, 0, insn.imm);
  }

  std::mt19937_64 random_;
  std::vector<bpf::Insn> insns_ = {};
};

}  // namespace epass::fuzz
