#include "lift/lift.h"

#include <algorithm>

#include "lift/frame.h"
#include "lift/lifter.h"

namespace epass {
Result<Function> Lifter::run() {
  auto flow = build_flow(program_, in_);
  if (!flow) return fail(flow.error());
  flow_ = std::move(*flow);
  out_.name = in_.name;
  out_.type = in_.type;
  out_.section = in_.section;
  out_.is_entry = in_.is_entry;
  out_.is_global = in_.is_global;
  out_.returns_void = in_.signature && in_.signature->returns_void;
  compute_liveness(program_, in_, facts_, flow_);
  compute_dominators(flow_);
  PhiPlaces phis = place_phis(program_, in_, facts_, flow_);
  make_blocks(phis);
  exit_state_.resize(flow_.blocks.size());
  for (uint32_t b : flow_.rpo) {
    start_block(b);
    if (auto ok = lift_block(b); !ok) return fail(ok.error());
    exit_state_[b] = state_;
  }
  for (uint32_t b = 0; b < flow_.blocks.size(); ++b) connect(b);
  finish_frame();
  return std::move(out_);
}

void Lifter::finish_frame() {
  if (!frame_) return;
  uint32_t size = frame_bytes(out_, frame_);
  out_.slots[frame_] = {.size = size, .place = int16_t(-int(size))};
  for (Inst i : frame_addresses_) out_.insts[i].imm = size;
}

void Lifter::make_blocks(const PhiPlaces& phis) {
  bool entry_is_target = !flow_.preds(0).empty();
  entry_ = out_.add_block();
  blocks_.resize(flow_.blocks.size());
  for (uint32_t b = 0; b < blocks_.size(); ++b)
    blocks_[b] = b == 0 && !entry_is_target ? entry_ : out_.add_block();
  // Arguments.
  VarMask live = flow_.blocks[0].live_in;
  int count = 0;
  for (int r = 1; r <= bpf::kMaxArguments; ++r)
    if (live >> r & 1) count = r;
  if (in_.is_global && in_.signature)
    count = std::max<int>(count, std::min<int>(in_.signature->args, bpf::kMaxArguments));
  if (in_.is_entry) count = std::min(count, 1);
  State state;
  for (int r = 1; r <= count; ++r) state[size_t(r)] = out_.add_param(entry_, Home::reg(r));
  entry_state_ = state;
  if (entry_is_target) {
    out_.append(entry_, {.op = Opcode::Jump});
    entry_jump_ = true;
  }
  params_.resize(blocks_.size());
  for (uint32_t b = 0; b < blocks_.size(); ++b) {
    for (int r = 0; r < 10; ++r)
      if (phis.at(b) >> r & 1) params_[b].push_back(r);
    if (b == 0 && !entry_is_target)
      EPASS_CHECK(params_[b].empty(), "parameters on an entry that nothing jumps to");
    for (int r : params_[b]) out_.add_param(blocks_[b], Home::reg(r));
  }
  for (const bpf::Attachment& a : in_.attachments)
    if (program_.symbols[a.symbol].kind == bpf::Symbol::Kind::kJumpTable)
      for (uint32_t target : program_.symbols[a.symbol].targets)
        for (uint32_t b = 0; b < blocks_.size(); ++b)
          if (flow_.blocks[b].begin == target) out_.blocks[blocks_[b]].table_target = target;
}

Value Lifter::undef(int r) {
  Value& v = undefs_[size_t(r)];
  if (!v) {
    Inst first = out_.blocks[entry_].first;
    InstData data{.op = Opcode::Undef};
    Inst i = first ? out_.insert_before(first, data, {}, Home::reg(r))
                   : out_.append(entry_, data, {}, Home::reg(r));
    v = out_.insts[i].result;
  }
  return v;
}

Result<void> Lifter::lift_block(uint32_t b) {
  const FlowBlock& block = flow_.blocks[b];
  for (uint32_t i = block.begin; i < block.end; i += bpf::records(in_.insns[i])) {
    index_ = i;
    if (auto ok = lift_insn(i); !ok) return ok;
  }
  Inst last = out_.blocks[block_].last;
  if (!last || !ends_block(out_.insts[last].op))
    out_.append(block_, {.op = block.runs_off ? Opcode::Unreachable : Opcode::Jump});
  return {};
}

void Lifter::connect(uint32_t b) {
  if (b == 0 && entry_jump_) {
    Block to = blocks_[0];
    Edge e = out_.set_targets(out_.terminator(entry_), std::span(&to, 1));
    state_ = entry_state_;
    out_.set_args(e, arguments(0));
  }
  auto succs = flow_.succs(b);
  if (succs.empty()) return;
  Inst end = out_.terminator(blocks_[b]);
  std::vector<Block> targets;
  targets.reserve(succs.size());
  for (uint32_t s : succs) targets.push_back(blocks_[s]);
  Edge first = out_.set_targets(end, targets);
  state_ = exit_state_[b];
  for (uint32_t n = 0; n < succs.size(); ++n)
    if (!params_[succs[n]].empty()) out_.set_args(Edge{first.index + n}, arguments(succs[n]));
}

Result<Function> lift(const bpf::Program& program, bpf::FunctionId id, const CallFacts& facts) {
  CheckScope scope("lifting");
  return Lifter(program, id, facts).run();
}

static bool calls_functions(const bpf::Program& program, const bpf::Function& fn) {
  return std::ranges::any_of(
      fn.attachments, [&](const bpf::Attachment& a) { return bool(program.symbols[a.symbol].function); });
}

CallFacts analyze_calls(const bpf::Program& program) {
  // Arguments only grow from call to caller, so rounds end after at most the depth of the call graph.
  CallFacts facts;
  for (uint32_t n = 0; n < program.functions.size(); ++n) facts.args.at(bpf::FunctionId{n}) = 0;
  bool is_first = true;
  for (bool changed = true; changed; is_first = false) {
    changed = false;
    for (uint32_t n = program.functions.size(); n-- > 0;) {
      bpf::FunctionId id{n};
      const bpf::Function& fn = program.functions[id];
      if (!is_first && !calls_functions(program, fn)) continue;
      auto flow = build_flow(program, fn);
      int args = bpf::kMaxArguments;
      if (flow) {
        compute_liveness(program, fn, facts, *flow);
        args = 0;
        for (int r = 1; r <= bpf::kMaxArguments; ++r)
          if (flow->blocks[0].live_in >> r & 1) args = r;
      }
      if (fn.signature && (fn.is_global || !flow))
        args = std::max<int>(args, std::min<int>(fn.signature->args, bpf::kMaxArguments));
      if (facts.args[id] != args) facts.args.at(id) = uint8_t(args), changed = true;
    }
  }
  return facts;
}

}  // namespace epass
