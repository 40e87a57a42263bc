// The loop: take an input, run both, learn where to go next.

#include "judge/judge.h"

#include <algorithm>
#include <bit>
#include <deque>
#include <functional>
#include <memory>
#include <set>

#include "judge/coverage.h"
#include "judge/differ.h"
#include "judge/inputs.h"
#include "judge/taint.h"
#include "vm/jit.h"
#include "vm/places.h"

namespace epass::judge {

namespace {

// The second program may take longer than the original, but not that much.
constexpr uint64_t kSlack = 16, kSlackMore = 100000;
constexpr uint64_t kLargestValue = 1 << 20;

class Watch : public vm::Observer {
 public:
  Watch(const bpf::Program& program, Coverage& coverage) : program_(program), coverage_(coverage) {}
  void at(bpf::FunctionId function, uint32_t at, const uint64_t* registers) override {
    const bpf::Insn insn = program_.functions[function].insns[at];
    found_ |= coverage_.visit(function, at);
    if (insn.cls() == bpf::kLdx || insn.cls() == bpf::kSt || insn.cls() == bpf::kStx)
      note_access(insn, registers);
    if (!bpf::is_conditional_jump(insn.code) || insn.code == bpf::kCodeMayGoto) return;
    if (insn.dst() > 10 || insn.src() > 10) return;
    const uint64_t y =
        insn.code & bpf::kX ? registers[insn.src()] : static_cast<uint64_t>(static_cast<int64_t>(insn.imm));
    found_ |= coverage_.branch(function, at, jumps(insn, registers[insn.dst()], y));
  }
  void answered(uint64_t call, uint64_t) override { ++(call >= kLookups ? asked.lookups : asked.answers); }
  void filled(uint64_t, uint64_t, uint32_t) override {}
  bool found() const { return found_; }
  Asked asked = {};
  uint64_t value_bytes = 0;  // how far accesses to map values went

 private:
  void note_access(bpf::Insn insn, const uint64_t* registers) {
    const int base = insn.cls() == bpf::kLdx ? insn.src() : insn.dst();
    const uint64_t address =
        registers[std::min(base, 10)] + static_cast<uint64_t>(static_cast<int64_t>(insn.off));
    if (!vm::is_in(address, vm::kMapValueBase, vm::kDataBase)) return;
    value_bytes = std::max(value_bytes, ((address - vm::kMapValueBase) & 0xffffffff) + 8);
  }

  const bpf::Program& program_;
  Coverage& coverage_;
  bool found_ = false;
};

// Runs the second program, and says how it differs.
class Second {
 public:
  Second(const Subject& first, const Subject& second, const Settings& settings)
      : first_(first), second_(second), settings_(settings), options_(settings.options) {
    options_.engine = settings.engine;
  }

  std::string difference_from(const vm::Outcome& a, const vm::Input& input) {
    if (!decides(a)) return "";
    vm::Input longer = input;
    longer.budget = a.executed * kSlack + kSlackMore;
    auto run_second = [&](bool keep) {
      options_.keep_contents = keep;
      options_.unknown_value_size = settings_.options.unknown_value_size;
      return vm::run(second_.executable, second_.entry, longer, options_, &code_);
    };
    const vm::Outcome b = run_second(false);
    if (same(a, b)) return "";
    vm::Options options = settings_.options;
    options.keep_contents = true;
    auto run_first = [&](uint64_t world) {
      vm::Input other = input;
      other.indeterminate = world;
      return vm::run(first_.executable, first_.entry, other, options);
    };
    return difference(run_first(0), run_second(true), run_first);
  }
  // The same, running the original as well.
  std::string difference_on(const vm::Input& input) {
    return difference_from(vm::run(first_.executable, first_.entry, input, settings_.options), input);
  }

 private:
  const Subject &first_, &second_;
  const Settings& settings_;
  vm::Options options_;
  std::unique_ptr<vm::Jit> code_;
};

// Makes the input plainer as long as the programs differ on it.
vm::Input minimised(vm::Input input, const std::function<bool(const vm::Input&)>& differs) {
  int tries = 600;
  auto accept = [&](vm::Input candidate) {
    if (tries-- <= 0 || !differs(candidate)) return false;
    input = std::move(candidate);
    return true;
  };
  auto without = [&](auto member) {
    vm::Input all = input;
    (all.*member).clear();
    if ((input.*member).empty() || accept(std::move(all))) return;
    std::vector<uint64_t> keys;
    for (const auto& entry : input.*member) keys.push_back(entry.first);
    for (uint64_t key : keys) {
      vm::Input one = input;
      (one.*member).erase(key);
      accept(std::move(one));
    }
  };
  without(&vm::Input::bytes);
  without(&vm::Input::answers);
  for (uint64_t seed = 1; seed <= 3 && input.seed > 3; ++seed) {
    vm::Input other = input;
    other.seed = seed;
    accept(std::move(other));
  }
  for (size_t cut = input.packet.size() / 2; cut; cut /= 2)
    while (input.packet.size() > cut) {
      vm::Input shorter = input;
      shorter.packet.resize(input.packet.size() - cut);
      if (!accept(std::move(shorter))) break;
    }
  for (size_t size = std::max<size_t>(input.packet.size(), 1); size; size /= 2)
    for (size_t at = 0; at < input.packet.size(); at += size) {
      vm::Input zeros = input;
      auto from = zeros.packet.begin() + ptrdiff_t(at);
      std::fill(from, from + ptrdiff_t(std::min(size, input.packet.size() - at)), uint8_t{0});
      if (zeros.packet != input.packet) accept(std::move(zeros));
    }
  return input;
}

// Where the next inputs come from.
class Corpus {
 public:
  Corpus(const Settings& settings, const Coverage& coverage)
      : settings_(settings), coverage_(coverage), dice_(settings.seed) {}

  vm::Input next() {
    while (!hinted_.empty()) {
      auto [place, taken, input] = std::move(hinted_.front());
      hinted_.pop_front();
      if (!coverage_.has_branch(place.function, place.insn, taken)) return input;
    }
    const uint64_t beginnings = settings_.context == vm::Context::kRaw ? 8 : kSkeletons;
    vm::Input input;
    if (begun_ < beginnings || kept_.empty() || dice_.below(8) == 0) {
      input = first_input(settings_.context, begun_++, settings_.seed);
    } else {
      // The youngest go furthest.
      const size_t n = dice_.below(2) ? kept_.size() - 1 - dice_.below(std::min<size_t>(kept_.size(), 8))
                                      : dice_.below(kept_.size());
      input = mutated(kept_[n].first, kept_[n].second, dice_);
    }
    input.budget = settings_.budget;
    return input;
  }
  void keep(const vm::Input& input, const Asked& asked) { kept_.emplace_back(input, asked); }
  void add(const vm::Input& from, const Taint::Hint& hint) {
    vm::Input input = from;
    for (auto [address, byte] : hint.bytes) input.bytes[address] = byte;
    for (auto [call, value] : hint.answers) input.answers[call] = value;
    if (hint.packet_size) input.packet.resize(std::min<uint64_t>(*hint.packet_size, 16384), 0x11);
    const bool had = coverage_.has_branch(hint.branch.function, hint.branch.insn, false);
    hinted_.push_back({hint.branch, had, std::move(input)});
    if (hinted_.size() > 4096) hinted_.pop_front();
  }

 private:
  struct Hinted {
    Place place = {};
    bool taken = false;  // the direction that is wanted
    vm::Input input = {};
  };
  const Settings& settings_;
  const Coverage& coverage_;
  Dice dice_;
  std::vector<std::pair<vm::Input, Asked>> kept_;
  std::deque<Hinted> hinted_;
  uint64_t begun_ = 0;
};

// Runs the original on one input after the other, and learns from each where to go next.
class Explorer {
 public:
  Explorer(const Subject& subject, const Settings& settings)
      : subject_(subject),
        options_(settings.options),
        coverage_(subject.program(), subject.entry),
        corpus_(settings, coverage_) {}

  struct Step {
    vm::Input input = {};
    vm::Outcome outcome = {};
    bool found = false;  // it ran something new
  };
  Step step() {
    const vm::Input input = corpus_.next();
    Watch watch(subject_.program(), coverage_);
    options_.observer = &watch;
    vm::Outcome outcome = run(input);
    // Values of unknown size: as large as the program takes them to be.
    while (!outcome.error.empty() && watch.value_bytes > options_.unknown_value_size &&
           watch.value_bytes <= kLargestValue) {
      options_.unknown_value_size = static_cast<uint32_t>(std::bit_ceil(watch.value_bytes));
      outcome = run(input);
    }
    if (watch.found()) {
      corpus_.keep(input, watch.asked);
      Taint taint(subject_.program(), coverage_);
      taint.packet_size = input.packet.size();
      options_.observer = &taint;
      run(input);
      for (const Taint::Hint& hint : taint.hints()) corpus_.add(input, hint);
    }
    options_.observer = nullptr;
    return {input, std::move(outcome), watch.found()};
  }
  uint32_t unknown_value_size() const { return options_.unknown_value_size; }
  const Coverage& coverage() const { return coverage_; }

 private:
  vm::Outcome run(const vm::Input& input) {
    return vm::run(subject_.executable, subject_.entry, input, options_);
  }
  const Subject& subject_;
  vm::Options options_;
  Coverage coverage_;
  Corpus corpus_;
};

}  // namespace

std::string difference_on(const Subject& first, const Subject& second, const vm::Input& input,
                          const Settings& settings) {
  return Second(first, second, settings).difference_on(input);
}

std::vector<vm::Input> steered_inputs(const Subject& subject, const Settings& settings) {
  Explorer explorer(subject, settings);
  std::vector<vm::Input> inputs;
  while (inputs.size() < settings.inputs) inputs.push_back(explorer.step().input);
  return inputs;
}

Verdict compare(const Subject& first, const Subject& second, const Settings& settings) {
  Verdict verdict;
  Explorer explorer(first, settings);
  Settings world = settings;
  Second other(first, second, world);
  for (; verdict.inputs < settings.inputs; ++verdict.inputs) {
    const auto [input, a, found] = explorer.step();
    world.options.unknown_value_size = explorer.unknown_value_size();
    verdict.undecided += !decides(a);
    verdict.faults += decides(a) && !a.error.empty();
    std::string why = other.difference_from(a, input);
    if (why.empty()) continue;
    verdict.difference = {.why = why, .input = input, .first_found = input};
    verdict.difference->unknown_value_size = explorer.unknown_value_size();
    if (settings.minimise) {
      verdict.difference->input = minimised(
          input, [&](const vm::Input& candidate) { return !other.difference_on(candidate).empty(); });
      verdict.difference->why = other.difference_on(verdict.difference->input);
    }
    ++verdict.inputs;
    break;
  }
  verdict.blocks = explorer.coverage().blocks();
  verdict.covered = explorer.coverage().covered();
  return verdict;
}

std::vector<std::vector<uint8_t>> packets_for(const Subject& subject, const Settings& settings) {
  constexpr size_t kLeast = 14, kMost = 3000;
  std::vector<vm::Input> inputs;
  for (uint64_t n = 0; n < kSkeletons; ++n) inputs.push_back(first_input(settings.context, n, settings.seed));
  Explorer explorer(subject, settings);
  for (uint64_t n = 0; n < settings.inputs; ++n)
    if (Explorer::Step step = explorer.step(); step.found) inputs.push_back(std::move(step.input));
  std::vector<std::vector<uint8_t>> packets;
  std::set<std::vector<uint8_t>> seen;
  for (vm::Input& input : inputs)
    if (input.packet.size() >= kLeast && input.packet.size() <= kMost && seen.insert(input.packet).second)
      packets.push_back(std::move(input.packet));
  return packets;
}

}  // namespace epass::judge
