// Data flow: which registers some path defines, and which hold the frame pointer plus a constant.
//
// A register counts as undefined only if no path to the instruction defines it, an access as outside of the
// stack only if every path leads it there: what the kernel prunes must not be a fault. Loaders leave calls of
// helpers that cannot exist where they expect the kernel to prune; no path goes on behind them.

#include "bpf/check_flow.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/format.h"
#include "bpf/contracts.h"

namespace epass::bpf {

namespace {

constexpr uint16_t kCallerSaved = 0x3e;  // r1 to r5
constexpr int32_t kNowhere = INT32_MIN, kElsewhere = INT32_MAX;

struct State {
  bool ended = false;    // no path goes on
  uint16_t defined = 0;  // by some path
  // Distance from the frame pointer; kNowhere: no path was seen; kElsewhere: not a known place on the stack.
  std::array<int32_t, 11> frame = {};

  bool merge(const State& other) {
    const State before = *this;
    defined |= other.defined;
    for (size_t r = 0; r < frame.size(); ++r) {
      if (frame[r] == kNowhere) frame[r] = other.frame[r];
      if (other.frame[r] != kNowhere && other.frame[r] != frame[r]) frame[r] = kElsewhere;
    }
    return defined != before.defined || frame != before.frame;
  }
};

class Flow {
 public:
  Flow(const Program& program, FunctionId id, const FlowGraph& graph, std::vector<Fault>& faults)
      : program_(program), fn_(program.functions[id]), id_(id), graph_(graph), faults_(faults) {}

  void run() {
    State nothing;
    nothing.frame.fill(kNowhere);
    entry_.assign(graph_.blocks.size(), nothing);
    State& first = entry_[0];
    // A program gets its context; of other functions the callers decide.
    first.defined = static_cast<uint16_t>(fn_.is_entry && !fn_.is_callback ? 1 << 1 : kCallerSaved);
    first.defined |= 1 << kFrameRegister;
    first.frame.fill(kElsewhere);
    first.frame[kFrameRegister] = 0;
    std::set<uint32_t> work{0};
    while (!work.empty()) {
      const uint32_t n = *work.begin();
      work.erase(work.begin());
      reached_.insert(n);
      const State out = through(n, false);
      if (out.ended) continue;
      for (uint32_t to : graph_.blocks[n].next)
        if (entry_[to].merge(out) || !reached_.contains(to)) work.insert(to);
    }
    for (uint32_t n : reached_) through(n, true);
  }

 private:
  State through(uint32_t n, bool report) {
    State state = entry_[n];
    report_ = report;
    for (uint32_t i = graph_.blocks[n].begin; i < graph_.blocks[n].end && !state.ended;
         i += records(fn_.insns[i]))
      step(state, i);
    return state;
  }

  void add(std::string code, std::string message, std::string help = "") {
    if (report_) faults_.push_back({id_, at_, std::move(code), std::move(message), std::move(help)});
  }

  void read(State& s, int r, std::string_view what = "") {
    if (s.defined >> r & 1) return;
    add("check-register", format("reads r{}{}, which nothing has written on any path", r, what),
        r >= 1 && r <= 5 ? "calls leave r1 to r5 undefined" : "");
    s.defined = static_cast<uint16_t>(s.defined | 1u << r);  // said once
  }

  void write(State& s, int r, int32_t frame = kElsewhere) {
    if (r == kFrameRegister)
      return add("check-register", "writes r10, the frame pointer, which is read only");
    s.defined = static_cast<uint16_t>(s.defined | 1u << r);
    s.frame[static_cast<size_t>(r)] = frame;
  }

  void access(const State& s, int base, Insn insn) {
    const int32_t at = s.frame[static_cast<size_t>(base)];
    if (at == kElsewhere || at == kNowhere) return;
    const int64_t begin = int64_t{at} + insn.off, end = begin + access_bytes(insn.code);
    if (begin < -kStackSize || end > 0)
      add("check-stack", format("accesses bytes {} to {} of the stack, which reaches from -{} to -1", begin,
                                end - 1, kStackSize));
  }

  void step(State& s, uint32_t i) {
    at_ = i;
    const Insn insn = fn_.insns[i];
    switch (insn.cls()) {
      case kAlu:
      case kAlu64: return alu(s, insn);
      case kLd:
        if (is_ld_imm64(insn)) return write(s, insn.dst());
        read(s, 6, ", the socket buffer of packet loads");
        if ((insn.code & 0xe0) == kInd) read(s, insn.src());
        return after_call(s);
      case kLdx:
        read(s, insn.src());
        access(s, insn.src(), insn);
        return write(s, insn.dst());
      case kSt: read(s, insn.dst()); return access(s, insn.dst(), insn);
      case kStx: return store(s, insn);
      default: return jump(s, insn, i);
    }
  }

  void alu(State& s, Insn insn) {
    const uint8_t op = insn.code & 0xf0;
    const bool wide = insn.cls() == kAlu64, from_register = insn.code & kX && op != kEnd;
    if (from_register) read(s, insn.src());
    if (op != kMov) read(s, insn.dst());
    int32_t frame = kElsewhere;
    if (wide && op == kMov && from_register && insn.off == 0) frame = s.frame[insn.src()];
    const int32_t before = s.frame[insn.dst()];
    constexpr int32_t kFar = 1 << 20;
    const bool small = before > -kFar && before < kFar && insn.imm > -kFar && insn.imm < kFar;
    if (wide && small && !from_register && op == kAdd) frame = before + insn.imm;
    if (wide && small && !from_register && op == kSub) frame = before - insn.imm;
    write(s, insn.dst(), frame);
  }

  void store(State& s, Insn insn) {
    if ((insn.code & 0xe0) == kAtomic && insn.imm == kLoadAcq) {
      read(s, insn.src());
      access(s, insn.src(), insn);
      return write(s, insn.dst());
    }
    read(s, insn.dst());
    read(s, insn.src());
    access(s, insn.dst(), insn);
    if ((insn.code & 0xe0) != kAtomic || insn.imm == kStoreRel) return;
    if (insn.imm == kCmpxchg) {
      read(s, 0, ", which a compare-and-exchange compares with");
      write(s, 0);
    } else if (insn.imm & kFetch) {
      write(s, insn.src());
    }
  }

  void jump(State& s, Insn insn, uint32_t i) {
    if (insn.code == kCodeCall) return call(s, insn, i);
    if (insn.code == kCodeCallx || insn.code == kCodeGotox) {
      read(s, insn.dst());
      return insn.code == kCodeCallx ? after_call(s) : void();
    }
    if (insn.code == kCodeExit) {
      // Programs of these types may return nothing, as what they attach to.
      const bool may_be_void = fn_.type.starts_with("struct_ops") || fn_.type.starts_with("lsm");
      if (fn_.is_entry && !fn_.is_callback && !may_be_void) read(s, 0, ", the program's result");
      return;
    }
    if (!is_conditional_jump(insn.code) || insn.code == kCodeMayGoto) return;
    read(s, insn.dst());
    if (insn.code & kX) read(s, insn.src());
  }

  void call(State& s, Insn insn, uint32_t i) {
    const bool named = symbol_at(program_, fn_, i);
    const HelperContract* contract = insn.src() == kHelperCall && !named ? helper(insn.imm) : nullptr;
    if (contract)
      for (int r = 1; r <= contract->arg_count(); ++r)
        read(s, r, format(", an argument of {}", contract->name));
    s.ended = insn.src() != kLocalCall && !named && insn.imm >= kFirstImpossibleHelper;
    after_call(s);
  }

  void after_call(State& s) {
    s.defined = static_cast<uint16_t>(s.defined & ~kCallerSaved);
    for (size_t r = 0; r <= 5; ++r) s.frame[r] = kElsewhere;
    s.defined |= 1;
  }

  const Program& program_;
  const Function& fn_;
  FunctionId id_;
  const FlowGraph& graph_;
  std::vector<Fault>& faults_;
  std::vector<State> entry_;
  std::set<uint32_t> reached_;
  uint32_t at_ = 0;
  bool report_ = false;
};

}  // namespace

void check_registers(const Program& program, FunctionId id, const FlowGraph& graph,
                     std::vector<Fault>& faults) {
  Flow(program, id, graph, faults).run();
}

}  // namespace epass::bpf
