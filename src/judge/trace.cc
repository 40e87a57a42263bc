// Aligns two traces by what instructions compute, whatever registers they use.

#include "judge/trace.h"

#include <algorithm>

#include "base/format.h"
#include "judge/coverage.h"
#include "vm/memory.h"
#include "vm/places.h"

namespace epass::judge {

using namespace bpf;

namespace {

constexpr size_t kMaxSteps = 1 << 16, kWindow = 48;

struct Traced {
  FunctionId function = {};
  uint32_t insn = 0;
  Insn code = {};
  uint64_t value = 0, address = 0;  // what is written, and where to if to memory
  bool taken = false;
  uint64_t token = 0;  // equal if they do the same
};

std::string place(uint64_t address) {
  const uint64_t kind = vm::below_next(address), offset = address & 0xffffffff;
  if (kind >= vm::kStackBase) return "stack";
  if (kind >= vm::kFunctionBase) return "function";
  if (kind >= vm::kHeapBase) return format("heap+{}", offset);
  if (kind >= vm::kDataBase) return format("data+{}", offset);
  if (kind >= vm::kMapValueBase) return format("map value+{}", offset);
  if (kind >= vm::kMapHandleBase) return "map";
  if (address >= vm::kPacketBase) return format("packet{:+}", int64_t(address - vm::kPacketBase));
  if (address >= vm::kContextBase) return format("ctx{:+}", int64_t(address - vm::kContextBase));
  return format("{:#x}", address);
}

class Recorder : public vm::Observer {
 public:
  explicit Recorder(const Program& program) : program_(program) {}
  std::vector<Traced> steps;

  void at(FunctionId function, uint32_t at, const uint64_t* registers) override {
    settle(registers);
    if (steps.size() >= kMaxSteps) return;
    Traced step{.function = function, .insn = at, .code = program_.functions[function].insns[at]};
    const Insn insn = step.code;
    if (insn.dst() > 10 || insn.src() > 10) return;
    frame_ = registers[kFrameRegister];
    if (is_conditional_jump(insn.code)) {
      const uint64_t y = insn.code & kX ? registers[insn.src()] : uint64_t(int64_t(insn.imm));
      step.taken = jumps(insn, registers[insn.dst()], y);
    } else if (insn.cls() == kSt || insn.cls() == kStx) {
      step.address = registers[insn.dst()] + uint64_t(int64_t(insn.off));
      step.value = insn.cls() == kSt ? uint64_t(int64_t(insn.imm)) : registers[insn.src()];
      if (const uint32_t bits = access_bytes(insn.code) * 8; bits < 64)
        step.value &= (uint64_t{1} << bits) - 1;
    }
    steps.push_back(step);
    open_ = true;
    finish(steps.back());
  }
  void answered(uint64_t, uint64_t) override {}
  void filled(uint64_t, uint64_t, uint32_t) override {}

 private:
  static uint64_t hidden(uint64_t value) {
    return value >= vm::kStackBase && value < vm::kStackBase << 1 ? 1 : value;
  }
  void settle(const uint64_t* registers) {
    if (!open_ || steps.empty()) return;
    open_ = false;
    Traced& step = steps.back();
    const Insn insn = step.code;
    const bool call = insn.code == kCodeCall || insn.code == kCodeCallx;
    if (registers[kFrameRegister] != frame_) return;
    if (is_alu(insn.code) || insn.cls() == kLdx || is_ld_imm64(insn)) step.value = registers[insn.dst()];
    if (call || insn.cls() == kLd) step.value = is_ld_imm64(insn) ? step.value : registers[0];
    finish(step);
  }
  static void finish(Traced& step) {
    const Insn insn = step.code;
    // Moves and arithmetic that give the same value count as the same.
    uint64_t kind = insn.cls();
    if (is_alu(insn.code) || is_ld_imm64(insn)) kind = 100;
    if (is_jmp(insn.code)) kind = is_conditional_jump(insn.code) ? 200 : insn.code;
    step.token = vm::mix(vm::mix(kind, hidden(step.value)), hidden(step.address));
  }
  const Program& program_;
  uint64_t frame_ = 0;
  bool open_ = false;
};

std::vector<Traced> traced(const Subject& s, const vm::Input& input, vm::Options options) {
  Recorder recorder(s.program());
  options.observer = &recorder;
  vm::run(s.executable, s.entry, input, options);
  std::erase_if(recorder.steps, [](const Traced& step) { return is_unconditional_jump(step.code.code); });
  return std::move(recorder.steps);
}

Step shown(const Traced& step) {
  Step out{.function = step.function, .insn = step.insn};
  const Insn insn = step.code;
  if (is_conditional_jump(insn.code))
    out.effect = step.taken ? "taken" : "not taken";
  else if (insn.cls() == kSt || insn.cls() == kStx)
    out.effect = format("{:#x} -> {}", step.value, place(step.address));
  else if (insn.code == kCodeExit)
    out.effect = "";
  else
    out.effect =
        format("r{} = {:#x}", is_jmp(insn.code) || (insn.cls() == kLd && !is_ld_imm64(insn)) ? 0 : insn.dst(),
               step.value);
  return out;
}

// How many steps of each side to leave out so that both do the same again, and the next ones too.
bool resync(const std::vector<Traced>& a, const std::vector<Traced>& b, size_t i, size_t j, size_t& skip_a,
            size_t& skip_b) {
  auto same = [&](size_t x, size_t y) {
    size_t run = 0;
    while (run < 3 && x + run < a.size() && y + run < b.size() && a[x + run].token == b[y + run].token) ++run;
    return run == 3 || (run > 0 && x + run == a.size() && y + run == b.size());
  };
  for (size_t sum = 1; sum <= kWindow; ++sum)
    for (size_t left = 0; left <= sum; ++left)
      if (same(i + left, j + sum - left)) return skip_a = left, skip_b = sum - left, true;
  return false;
}

}  // namespace

std::vector<Row> side_by_side(const Subject& first, const Subject& second, const vm::Input& input,
                              const vm::Options& options, size_t size) {
  const std::vector<Traced> a = traced(first, input, options), b = traced(second, input, options);
  std::vector<Row> rows;
  size_t i = 0, j = 0, parted = SIZE_MAX;
  auto add = [&](bool left, bool right, bool differs) {
    Row row{.differs = differs};
    if (left) row.first = shown(a[i++]);
    if (right) row.second = shown(b[j++]);
    rows.push_back(std::move(row));
  };
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i].token == b[j].token) {
      const bool same = a[i].taken == b[j].taken || is_conditional_jump(a[i].code.code);
      add(true, true, !same);
      continue;
    }
    size_t skip_a = 0, skip_b = 0;
    if (!resync(a, b, i, j, skip_a, skip_b)) break;
    for (; skip_a && skip_b; --skip_a, --skip_b) add(true, true, true);
    for (; skip_a; --skip_a) add(true, false, false);
    for (; skip_b; --skip_b) add(false, true, false);
  }
  parted = rows.size();
  while ((i < a.size() || j < b.size()) && rows.size() < parted + size / 2)
    add(i < a.size(), j < b.size(), true);
  // Together to the end: the last steps that differ in what they compute are the ones.
  if (parted == rows.size())
    for (size_t n = rows.size(); n-- > 0;)
      if (rows[n].differs || !rows[n].first || !rows[n].second) {
        parted = n;
        break;
      }
  const size_t begin = parted > size / 2 ? parted - size / 2 : 0;
  rows.erase(rows.begin(), rows.begin() + ptrdiff_t(begin));
  if (rows.size() > size) rows.resize(size);
  return rows;
}

}  // namespace epass::judge
