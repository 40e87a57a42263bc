// Structure: instructions, jumps, calls, unreachable code, the call graph. Facts are those of Linux 6.18
// (kernel/bpf/verifier.c: check_subprogs, check_cfg, check_max_stack_depth).

#include "bpf/check.h"

#include <algorithm>
#include <map>

#include "base/format.h"
#include "bpf/check_flow.h"
#include "bpf/fields.h"

namespace epass::bpf {

namespace {

constexpr uint32_t kMostFrames = 8;

class Checker {
 public:
  Checker(const Program& program, FunctionId id) : program_(program), fn_(program.functions[id]), id_(id) {}

  std::vector<Fault> run() {
    if (fn_.insns.empty()) {
      add(0, "check-flow", "the function has no instructions");
      return std::move(faults_);
    }
    check_insns();
    // Without sound instructions and jumps there is no control flow to follow.
    if (std::ranges::all_of(faults_, [](const Fault& f) { return f.code == "check-constant"; })) {
      build();
      check_reachable();
      if (!any_place_) check_registers(program_, id_, graph_, faults_);
      weigh();
    }
    std::ranges::stable_sort(faults_, {}, &Fault::insn);
    return std::move(faults_);
  }

 private:
  void add(uint32_t insn, std::string code, std::string message, std::string help = "") {
    faults_.push_back({id_, insn, std::move(code), std::move(message), std::move(help)});
  }

  bool ends(uint32_t i) const {
    const uint8_t code = fn_.insns[i].code;
    if (code == kCodeExit || code == kCodeGotox || is_unconditional_jump(code)) return true;
    const Symbol* callee = code == kCodeCall ? symbol_at(program_, fn_, i) : nullptr;
    return callee && callee->kind == Symbol::Kind::kKfunc && callee->name == "bpf_throw";
  }

  void check_insns() {
    const auto size = static_cast<uint32_t>(fn_.insns.size());
    starts_.assign(size, 0);
    for (uint32_t i = 0; i < size; i += records(fn_.insns[i])) starts_[i] = 1;
    uint32_t last = 0;
    for (uint32_t i = 0; i < size; i += records(fn_.insns[i])) {
      last = i;
      const Insn insn = fn_.insns[i];
      if (std::string fault = field_fault(fn_.insns, i); !fault.empty()) {
        add(i, "check-field", std::move(fault));
        continue;
      }
      if (is_conditional_jump(insn.code) || is_unconditional_jump(insn.code)) check_jump(i, insn);
      if (insn.code == kCodeCall || insn.code == kCodeCallx) check_call(i, insn);
      check_constant(i, insn);
    }
    if (!ends(last))
      add(last, "check-flow", "control runs off the end of the function",
          "the last instruction is `exit` or a jump");
  }

  void check_jump(uint32_t i, Insn insn) {
    const int64_t to = jump_target(insn, i);
    if (to < 0 || to >= static_cast<int64_t>(fn_.insns.size()))
      add(i, "check-jump",
          format("jumps to instruction {}, the function has 0 to {}", to, fn_.insns.size() - 1));
    else if (!starts_[static_cast<size_t>(to)])
      add(i, "check-jump", format("jumps into the second half of the 64-bit constant at {}", to - 1));
  }

  void check_call(uint32_t i, Insn insn) {
    if (insn.code == kCodeCallx)
      return add(i, "check-call", "calls through a register",
                 "no kernel has such calls; `call` names a function");
    const Symbol* callee = symbol_at(program_, fn_, i);
    if (insn.src() == kLocalCall && !callee)
      add(i, "check-call", "calls an instruction that begins no function");
    if (insn.src() == kHelperCall && !callee && insn.imm < 0)
      add(i, "check-call", format("calls helper {}, which cannot exist", insn.imm));
  }

  void check_constant(uint32_t i, Insn insn) {
    if (!is_alu(insn.code) || insn.code & kX) return;
    const uint8_t op = insn.code & 0xf0;
    const bool wide = insn.cls() == kAlu64;
    if ((op == kDiv || op == kMod) && insn.imm == 0) add(i, "check-constant", "divides by the constant 0");
    const bool shifts = op == kLsh || op == kRsh || op == kArsh;
    if (shifts && (insn.imm < 0 || insn.imm >= (wide ? 64 : 32)))
      add(i, "check-constant", format("shifts {} bits by {}", wide ? 64 : 32, insn.imm));
  }

  // Where gotox may lead: the jump tables of the function; null if that is not known.
  const std::vector<uint32_t>* table_targets() {
    table_.clear();
    for (const Attachment& a : fn_.attachments) {
      const Symbol& s = program_.symbols[a.symbol];
      if (s.kind == Symbol::Kind::kJumpTable) table_.insert(table_.end(), s.targets.begin(), s.targets.end());
    }
    std::erase_if(table_, [&](uint32_t to) { return to >= fn_.insns.size() || !starts_[to]; });
    return table_.empty() ? nullptr : &table_;
  }

  void build() {
    const auto size = static_cast<uint32_t>(fn_.insns.size());
    std::vector<uint8_t> leads(size + 1, 0);
    leads[0] = 1;
    const std::vector<uint32_t>* table = table_targets();
    for (uint32_t i = 0; i < size; i += records(fn_.insns[i])) {
      const uint8_t code = fn_.insns[i].code;
      const bool jumps = is_conditional_jump(code) || is_unconditional_jump(code);
      if (jumps) leads[static_cast<size_t>(jump_target(fn_.insns[i], i))] = 1;
      if (jumps || ends(i)) leads[i + 1] = 1;
      if (code == kCodeGotox) {
        any_place_ |= !table;
        for (uint32_t to : table ? *table : std::vector<uint32_t>()) leads[to] = 1;
      }
    }
    graph_.block_of.assign(size, UINT32_MAX);
    for (uint32_t i = 0; i < size; i += records(fn_.insns[i])) {
      if (leads[i]) {
        graph_.block_of[i] = static_cast<uint32_t>(graph_.blocks.size());
        graph_.blocks.push_back({.begin = i});
      }
      graph_.blocks.back().end = i + records(fn_.insns[i]);
    }
    for (FlowGraph::Block& block : graph_.blocks) {
      uint32_t last = block.begin;
      while (last + records(fn_.insns[last]) < block.end) last += records(fn_.insns[last]);
      const Insn insn = fn_.insns[last];
      if (!ends(last)) block.next.push_back(graph_.block_of[block.end]);
      if (is_conditional_jump(insn.code) || is_unconditional_jump(insn.code))
        block.next.push_back(graph_.block_of[static_cast<size_t>(jump_target(insn, last))]);
      if (insn.code == kCodeGotox && table)
        for (uint32_t to : *table) block.next.push_back(graph_.block_of[to]);
    }
  }

  void check_reachable() {
    if (any_place_) return;  // every block may be a target
    std::vector<uint8_t> seen(graph_.blocks.size(), 0);
    std::vector<uint32_t> work{0};
    seen[0] = 1;
    while (!work.empty()) {
      const uint32_t at = work.back();
      work.pop_back();
      for (uint32_t to : graph_.blocks[at].next)
        if (!seen[to]) seen[to] = 1, work.push_back(to);
    }
    for (size_t n = 0; n < seen.size(); ++n)
      if (!seen[n])
        add(graph_.blocks[n].begin, "check-flow", "no path leads to this instruction",
            "the kernel refuses code that cannot be reached");
  }

  // The kernel looks at operands only where it gets: a fault is certain if every path leads through its
  // block.
  void weigh() {
    std::map<uint32_t, bool> known;
    for (Fault& fault : faults_) {
      if (fault.code != "check-register" && fault.code != "check-stack" && fault.code != "check-constant")
        continue;
      const auto after = std::ranges::upper_bound(graph_.blocks, fault.insn, {}, &FlowGraph::Block::begin);
      const auto block = static_cast<uint32_t>(after - graph_.blocks.begin()) - 1;
      constexpr size_t kMostBlocks = 64;  // each costs a walk through the function
      if (auto it = known.find(block); it != known.end())
        fault.certain = it->second;
      else
        fault.certain = known[block] = !any_place_ && known.size() < kMostBlocks && is_inevitable(block);
    }
  }

  // Whether no path from the entry to an end of the function goes around the block.
  bool is_inevitable(uint32_t around) const {
    if (around == 0) return true;
    std::vector<uint8_t> seen(graph_.blocks.size(), 0);
    std::vector<uint32_t> work{0};
    seen[0] = seen[around] = 1;
    while (!work.empty()) {
      const FlowGraph::Block& block = graph_.blocks[work.back()];
      work.pop_back();
      if (block.next.empty()) return false;
      for (uint32_t to : block.next)
        if (!seen[to]) seen[to] = 1, work.push_back(to);
    }
    return true;
  }

  const Program& program_;
  const Function& fn_;
  FunctionId id_;
  std::vector<Fault> faults_;
  std::vector<uint8_t> starts_;  // per record: an instruction begins here
  std::vector<uint32_t> table_;
  FlowGraph graph_;
  bool any_place_ = false;
};

// Calls nest at most 8 frames deep, and no function calls itself. `depth` of each function is the longest
// chain of calls below it.
class CallGraph {
 public:
  explicit CallGraph(const Program& program) : program_(program), state_(program.functions.size()) {}

  void check(std::vector<Fault>& faults) {
    for (uint32_t n = 0; n < program_.functions.size(); ++n) visit(n, faults);
  }

 private:
  struct State {
    uint8_t phase = 0;  // 1: being visited, 2: done
    uint32_t depth = 1;
  };
  struct Step {
    uint32_t function = 0;
    size_t next = 0;
  };

  uint32_t callee(const Function& fn, const Attachment& a) const {
    const Symbol& s = program_.symbols[a.symbol];
    const bool calls = a.insn < fn.insns.size() && fn.insns[a.insn].code == kCodeCall;
    return calls && s.kind == Symbol::Kind::kFunc && s.function ? s.function.index : UINT32_MAX;
  }

  void visit(uint32_t root, std::vector<Fault>& faults) {
    if (state_[root].phase) return;
    std::vector<Step> path{{root}};
    state_[root].phase = 1;
    while (!path.empty()) {
      Step& step = path.back();
      const uint32_t at = step.function;
      const Function& fn = program_.functions[FunctionId{at}];
      if (step.next == fn.attachments.size()) {
        state_[at].phase = 2;
        path.pop_back();
        continue;
      }
      const Attachment& a = fn.attachments[step.next];
      const uint32_t to = callee(fn, a);
      if (to == UINT32_MAX || state_[to].phase == 2) {
        ++step.next;
        if (to == UINT32_MAX) continue;
        state_[at].depth = std::max(state_[at].depth, state_[to].depth + 1);
        if (state_[to].depth + 1 == kMostFrames + 1)
          faults.push_back({FunctionId{at}, a.insn, "check-call",
                            format("the calls from here nest {} frames deep, {} are possible",
                                   kMostFrames + 1, kMostFrames)});
        continue;
      }
      if (state_[to].phase == 1) {
        ++step.next;
        faults.push_back({FunctionId{at}, a.insn, "check-call",
                          format("calls `{}` while it is running", program_.functions[FunctionId{to}].name),
                          "programs cannot call themselves"});
        continue;
      }
      state_[to].phase = 1;
      path.push_back({to});
    }
  }

  const Program& program_;
  std::vector<State> state_;
};

}  // namespace

const Symbol* symbol_at(const Program& program, const Function& fn, uint32_t insn) {
  auto a = std::ranges::lower_bound(fn.attachments, insn, {}, &Attachment::insn);
  return a != fn.attachments.end() && a->insn == insn ? &program.symbols[a->symbol] : nullptr;
}

std::vector<Fault> check_function(const Program& program, FunctionId id) {
  return Checker(program, id).run();
}

std::vector<Fault> check(const Program& program) {
  std::vector<Fault> faults;
  for (uint32_t n = 0; n < program.functions.size(); ++n)
    for (Fault& fault : check_function(program, FunctionId{n})) faults.push_back(std::move(fault));
  CallGraph(program).check(faults);
  std::ranges::stable_sort(faults, {}, [](const Fault& f) { return std::pair(f.function.index, f.insn); });
  return faults;
}

}  // namespace epass::bpf
