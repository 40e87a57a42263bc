#include "driver/candidates.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <vector>

#include "base/check.h"
#include "base/format.h"
#include "bpf/verifier_work.h"
#include "bpf/x86_size.h"
#include "pass/pipeline.h"
#include "passes/registry.h"

namespace epass::driver {

namespace {

#define TIDY "simplify-cfg,const-prop,simplify,immediates,simplify-params,dce,simplify-cfg"

// When a way can lead to something better.
enum class When : uint8_t {
  kAlways,
  kIfFirstPassChanges,  // else it is what another way is
  kIfSpills,            // the best code keeps registers on the stack
  kIfLarger,            // the best code is larger than the input in machine code
};
// Each goes on from the best so far, with what its passes leave lowered once or twice. Constants are pooled
// last: `immediates` would undo it.
struct Way {
  const char* passes;
  Homes homes = Homes::kKept;
  When when = When::kAlways;
  std::optional<Homes> then = {};
};
// Homes that once made code so much dearer than the best are not tried again: whatever passes do, they hardly
// ever make up for more than this.
constexpr double kCloseCost = 1.02;
constexpr Way kFew[] = {
    {"copy-prop," TIDY, Homes::kKept, When::kAlways, Homes::kLast},
    {"edge-values,copy-prop," TIDY, Homes::kKept, When::kIfFirstPassChanges, Homes::kLast},
    {"frame-addresses,copy-prop," TIDY, Homes::kLast, When::kIfFirstPassChanges},
    {"schedule", Homes::kKept, When::kIfSpills},
    {"pool-constants(uses=3)"},
    {"pool-constants(uses=2)"},
    {"pool-constants(uses=1,only=zero)", Homes::kKept, When::kIfLarger},
};
// What the search draws its sequences from; `tidy` is what the levels run after such passes.
constexpr const char* kSteps[] = {
    "copy-prop," TIDY,
    "edge-values," TIDY,
    "early-cse,tidy",
    "fold-offsets,tidy",
    "fold-params,tidy",
    "merge-stores,dce",
    "dead-stores,dce",
    "merge-tails,tidy",
    "combine-loads,tidy",
    "pool-constants(uses=2)",
    "pool-constants(uses=1)",
    "immediates,dce",
    "const-prop,simplify,dce",
    "promote-slots,tidy",
    "gvn(insert=no),dce",
    "sink,dce",
    "licm,tidy",
    "if-convert,tidy",
    "frame-addresses,tidy",
    "schedule",
    "unswitch,tidy",
};
#undef TIDY

constexpr int kSearchSteps = 120;
// Records that the ways of a search may compile together: a function of 10,000 gets 100 of them.
constexpr uint64_t kSearchWork = 1'000'000;
// A register that holds a constant must be equal where the verifier compares states, too, and what moved down
// is alive on one of the ways that meet and not on another: in large functions the verifier walks ways again
// that it would have known. There, machine code must have grown for it.
constexpr uint64_t kMostWithOtherLives = 500;
bool makes_other_lives(const PassInfo& pass) {
  return pass.name == "pool-constants" || pass.name == "schedule";
}
// Beyond this size a function is compiled in one way only.
constexpr uint64_t kMostInsts = 200'000;
// Bytes of machine code beyond the input's that a record less may cost when both are to be balanced.
constexpr double kBytesOfRecord = 1.5;

// Much longer than before, for the verifier.
constexpr double kMostWorkFactor = 1.25;
constexpr uint64_t kMostMoreWork = 32;
bool is_much_more_work(uint64_t now, uint64_t was) {
  return was && double(now) > kMostWorkFactor * double(was) && now > was + kMostMoreWork;
}

// Cycles, roughly (docs/cost-model.md); loops are ranges that a jump goes back over.
double time_of(const bpf::NewCode& code) {
  std::vector<int> nesting(code.insns.size() + 1);
  for (uint32_t n = 0; n < code.insns.size(); ++n) {
    const bpf::Insn insn = code.insns[n];
    if (!bpf::is_jmp(insn.code) || insn.code == bpf::kCodeCall || insn.code == bpf::kCodeCallx ||
        insn.code == bpf::kCodeExit || insn.code == bpf::kCodeGotox)
      continue;
    const int64_t to = bpf::jump_target(insn, n);
    if (to >= 0 && to <= n) ++nesting[size_t(to)], --nesting[n + 1];
  }
  double total = 0;
  int depth = 0;
  for (uint32_t n = 0; n < code.insns.size(); ++n) {
    depth += nesting[n];
    const bpf::Insn insn = code.insns[n];
    double cycles = 1;
    if (bpf::is_alu(insn.code)) {
      const uint8_t op = insn.code & 0xf0;
      if (op == bpf::kMov) cycles = 0.3;
      if (op == bpf::kMul) cycles = 3;
      if (op == bpf::kDiv || op == bpf::kMod) cycles = 10;
    } else if (insn.code == bpf::kCodeCall || insn.code == bpf::kCodeCallx) {
      cycles = 50;
    } else if (insn.cls() == bpf::kStx && (insn.code & 0xe0) == bpf::kAtomic) {
      cycles = 20;
    } else if (!insn.code) {
      cycles = 0;
    }
    for (int k = 0; k < std::min(depth, 3); ++k) cycles *= 8;
    total += cycles;
  }
  return total;
}

class Contest {
 public:
  Contest(CodeSize was, const Symbols& symbols, const LowerOptions& options, const Selection& selection,
          bool is_small)
      : symbols_(symbols), options_(options), selection_(selection), was_(was), is_small_(is_small) {}

  // The function that all goes on from; false: it has no code with these homes.
  bool begin(Function&& fn, Homes homes) {
    best_ = std::move(fn);
    return try_homes(homes);
  }

  // The best so far through these passes.
  void try_passes(std::span<const Stage> stages, const Way& way) {
    if (!may_pay(way.homes) && !(way.then && may_pay(*way.then))) return;
    if (way.when == When::kIfSpills && !spills()) return;
    if (way.when == When::kIfLarger && !is_larger()) return;
    const bool lives = is_small_ || is_larger();
    if (!lives &&
        std::ranges::all_of(stages, [](const Stage& s) { return s.pass && makes_other_lives(*s.pass); }))
      return;
    Function fn = best_;
    Counters counters;
    bool changed = false;
    int ran = 0;
    PassHooks hooks;
    hooks.after = [&](const PassInfo&, const Function&, Changed what) {
      changed |= what != Changed::kNothing;
      ++ran;
    };
    hooks.may_run = [&](const PassInfo& pass) {
      if (way.when == When::kIfFirstPassChanges && ran && !changed) return false;
      if (!lives && makes_other_lives(pass)) return false;
      return !selection_.filter || (*selection_.filter)(fn, pass);
    };
    if (!run_pipeline(fn, stages, symbols_, options_.isa, counters, hooks) || !changed) return;
    bool is_best = may_pay(way.homes) && improves(fn, way.homes);
    if (way.then && may_pay(*way.then)) is_best |= improves(fn, *way.then);
    if (is_best) best_ = std::move(fn);
  }
  bool try_homes(Homes homes) { return improves(best_, homes); }

  // Other homes than the input's pay where registers are short. A search tries them anyway, and so does who
  // has nothing good yet.
  bool may_pay(Homes homes) {
    if (homes == options_.homes || selection_.effort == Effort::kSearch) return true;
    if (best_code_->insns.size() >= was_.insns || is_larger()) return true;
    return is_close_[size_t(homes)] && spills();
  }
  bool has_code() const { return best_code_.has_value(); }
  Result<bpf::NewCode> take() {
    if (best_code_) return std::move(*best_code_);
    return fail(*error_);
  }

 private:
  // Lowers it, and takes the code if it is better than what there is.
  bool improves(const Function& fn, Homes homes) {
    LowerOptions options = options_;
    options.homes = homes;
    Result<bpf::NewCode> code = lower(fn, options);
    if (!code) {
      if (!best_code_ && !error_) error_ = code.error();
      return false;
    }
    const double cost = cost_of(*code, selection_.objective, was_, kCloseCost * cost_);
    if (homes != options_.homes) is_close_[size_t(homes)] = cost <= kCloseCost * cost_;
    if (cost >= cost_) return false;
    cost_ = cost;
    best_code_ = std::move(*code);
    best_x86_.reset();
    return true;
  }

  // In machine code, than the input.
  bool is_larger() {
    if (!best_x86_) best_x86_ = bpf::x86_size(best_code_->insns, best_code_->attachments);
    return was_.x86 && *best_x86_ > was_.x86;
  }
  // Whether registers go to the stack, as a rule: the program's own stores look the same.
  bool spills() const {
    constexpr int kLeast = 2;
    return std::ranges::count_if(best_code_->insns, [](bpf::Insn insn) {
             return insn.code == (bpf::kStx | bpf::kMem | bpf::kDw) && insn.dst() == bpf::kFrameRegister;
           }) >= kLeast;
  }

  const Symbols& symbols_;
  const LowerOptions& options_;
  const Selection& selection_;
  const CodeSize was_;
  const bool is_small_;  // or other lives do no harm
  Function best_;
  std::optional<bpf::NewCode> best_code_;
  std::optional<uint32_t> best_x86_;  // bytes of machine code, once known
  // By homes: whether the last code with them was nearly the best.
  std::array<bool, 3> is_close_ = {true, true, true};
  std::optional<Error> error_;
  double cost_ = std::numeric_limits<double>::infinity();
};

std::vector<Stage> stages_of(const char* text) {
  constexpr auto named = [](std::string_view word) {
    return word == "tidy" ? tidy_pipeline() : level_pipeline(word);
  };
  auto stages = parse_pipeline(text, {.passes = all_passes(), .level = named});
  EPASS_CHECK(stages.has_value(), "a way of the compiler names no passes");
  return std::move(*stages);
}

void search(Contest& contest, uint64_t size) {
  std::vector<std::vector<Stage>> steps;
  for (const char* text : kSteps) steps.push_back(stages_of(text));
  const uint64_t most = std::clamp<uint64_t>(kSearchWork / std::max<uint64_t>(size, 1), 8, kSearchSteps);
  uint64_t x = 0x9e3779b97f4a7c15;
  auto next = [&](size_t bound) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    return size_t(x % bound);
  };
  for (uint64_t n = 0; n < most; ++n) {
    // Each step by itself first, then two or three together.
    std::vector<Stage> sequence = steps[n < steps.size() ? size_t(n) : next(steps.size())];
    for (size_t more = n < steps.size() ? 0 : 1 + next(2); more > 0; --more) {
      const auto& step = steps[next(steps.size())];
      sequence.insert(sequence.end(), step.begin(), step.end());
    }
    const Homes homes = n < steps.size() ? Homes::kKept : Homes(next(3));
    contest.try_passes(sequence, {.passes = "", .homes = homes});
  }
}

}  // namespace

double cost_of(const bpf::NewCode& code, Objective objective, CodeSize was, double limit) {
  constexpr double kNever = 1e6;
  const auto records = double(code.insns.size());
  const double too_many = was.insns && records > was.insns ? kNever * (records - was.insns) : 0;
  if (too_many >= limit) return too_many;
  if (objective == Objective::kSize && 1000 * records >= limit) return 1000 * records;
  const double bytes = bpf::x86_size(code.insns, code.attachments);
  switch (objective) {
    case Objective::kSize: return 1000 * records + bytes / 100 + too_many;
    case Objective::kSpeed: return time_of(code) + 0.02 * bytes + 0.1 * records + too_many;
    case Objective::kVerifier: {
      double branches = 0;
      for (bpf::Insn insn : code.insns) branches += bpf::is_conditional_jump(insn.code);
      // States that are not equal after all make each branch dearer than the estimate knows.
      return double(bpf::verifier_work(code.insns)) + records + 4 * branches + bytes / 1000 + too_many;
    }
    default: {
      // Bytes beyond the input's are worth avoiding as long as the function gets shorter at all.
      const double not_shorter = records >= was.insns ? 1000 * kBytesOfRecord : 0;
      const double larger = was.x86 && bytes > was.x86 ? 1000 * (bytes - was.x86) : 0;
      const double cost = 4 * records + bytes + too_many + not_shorter + larger;
      if (cost >= limit) return cost;
      const uint64_t work = was.work ? bpf::verifier_work(code.insns) : 0;
      const double longer = is_much_more_work(work, was.work) ? 100 * double(work - was.work) : 0;
      return cost + longer;
    }
  }
}

CodeSize size_of(std::span<const bpf::Insn> insns, std::span<const bpf::Attachment> attachments) {
  if (insns.empty()) return {};
  return {checked_cast<uint32_t>(insns.size()), bpf::x86_size(insns, attachments), bpf::verifier_work(insns)};
}

std::string why_not(CodeSize now, CodeSize was, const Selection& selection) {
  if (selection.effort == Effort::kNone || selection.objective != Objective::kBalanced) return {};
  if (double(now.x86) - was.x86 > kBytesOfRecord * (double(was.insns) - now.insns))
    return format("{} instructions fewer would take {} bytes of machine code more", was.insns - now.insns,
                  now.x86 - was.x86);
  if (is_much_more_work(now.work, was.work))
    return format("the verifier would walk {} instructions instead of {}", now.work, was.work);
  return {};
}

Result<bpf::NewCode> lower_best(Function&& fn, CodeSize was, const Symbols& symbols,
                                const LowerOptions& options, const Selection& selection) {
  if (selection.effort == Effort::kNone) return lower(std::move(fn), options);
  fn.compact();
  const uint64_t size = fn.insts.size();
  if (size > kMostInsts) return lower(std::move(fn), options);
  const bool is_small = size <= kMostWithOtherLives || selection.objective != Objective::kBalanced;
  Contest contest(was, symbols, options, selection, is_small);
  if (!contest.begin(std::move(fn), options.homes)) contest.try_homes(Homes::kPreferred);
  if (!contest.has_code()) return contest.take();
  static const std::vector<std::vector<Stage>> kWays = [] {
    std::vector<std::vector<Stage>> ways;
    for (const Way& way : kFew) ways.push_back(stages_of(way.passes));
    return ways;
  }();
  for (size_t n = 0; n < kWays.size(); ++n) contest.try_passes(kWays[n], kFew[n]);
  if (contest.may_pay(Homes::kPreferred)) contest.try_homes(Homes::kPreferred);
  if (selection.effort == Effort::kSearch) search(contest, size);
  return contest.take();
}

}  // namespace epass::driver
