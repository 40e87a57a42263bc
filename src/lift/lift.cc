#include "lift/lift.h"

#include <algorithm>

#include "lift/flow.h"
#include "lift/phis.h"

namespace epass {
namespace {

int64_t sext32(int32_t imm) { return imm; }

class Lifter {
 public:
  Lifter(const bpf::Program& program, bpf::FunctionId id, const CallFacts& facts)
      : program_(program), in_(program.functions[id]), facts_(facts) {}

  Result<Function> run() {
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
    make_frame();
    make_blocks(phis);
    exit_state_.resize(flow_.blocks.size());
    for (uint32_t b : flow_.rpo) {
      start_block(b, phis);
      if (auto ok = lift_block(b); !ok) return fail(ok.error());
      exit_state_[b] = state_;
    }
    for (uint32_t b = 0; b < flow_.blocks.size(); ++b) connect(b, phis);
    return std::move(out_);
  }

 private:
  using State = std::array<Value, 10>;

  // The own frame is one rigid slot, down to the deepest byte that is used through a constant offset.
  void make_frame() {
    int deepest = 0;
    bool used = false, unknown = false;
    for (uint32_t i = 0; i < in_.insns.size(); i += bpf::records(in_.insns[i])) {
      bpf::Insn insn = in_.insns[i];
      bool base_is_src =
          insn.cls() == bpf::kLdx ||
          (insn.cls() == bpf::kStx && insn.code == (bpf::kStx | bpf::kAtomic | (insn.code & 0x18)) &&
           insn.imm == bpf::kLoadAcq);
      uint8_t base = base_is_src ? insn.src() : insn.dst();
      if ((insn.cls() == bpf::kLdx || insn.cls() == bpf::kSt || insn.cls() == bpf::kStx) &&
          base == bpf::kFrameRegister) {
        used = true;
        deepest = std::min<int>(deepest, insn.off);
      } else if (insn.cls() != bpf::kLd && insn.src() == bpf::kFrameRegister &&
                 !(bpf::is_jmp(insn.code) && insn.code == bpf::kCodeCall)) {
        used = unknown = true;  // its address is taken; how far it reaches is seen below
        uint32_t next = i + 1;
        bool simple = insn.code == (bpf::kAlu64 | bpf::kMov | bpf::kX) && next < in_.insns.size() &&
                      in_.insns[next].code == (bpf::kAlu64 | bpf::kAdd | bpf::kK) &&
                      in_.insns[next].dst() == insn.dst();
        if (simple) deepest = std::min(deepest, in_.insns[next].imm);
      }
    }
    if (!used) return;
    (void)unknown;
    deepest = std::max(deepest, -bpf::kStackSize);
    frame_size_ = std::max(8, (-deepest + 7) & ~7);
    frame_ = out_.slots.add({.size = uint32_t(frame_size_), .place = int16_t(-frame_size_)});
  }

  void make_blocks(const PhiPlaces& phis) {
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
      for (uint32_t i = flow_.blocks[b].begin; in_has_tables_ && i < flow_.blocks[b].end; ++i) break;
    }
    for (const bpf::Attachment& a : in_.attachments)
      if (program_.symbols[a.symbol].kind == bpf::Symbol::Kind::kJumpTable)
        for (uint32_t target : program_.symbols[a.symbol].targets)
          for (uint32_t b = 0; b < blocks_.size(); ++b)
            if (flow_.blocks[b].begin == target) out_.blocks[blocks_[b]].table_target = target;
  }

  void start_block(uint32_t b, const PhiPlaces&) {
    block_ = blocks_[b];
    state_ = b == 0 ? entry_state_ : exit_state_[flow_.idom[b]];
    auto params = out_.params(block_);
    size_t first = b == 0 && !entry_jump_ ? params.size() : 0;
    for (size_t k = 0; k < params_[b].size() && first == 0; ++k) state_[size_t(params_[b][k])] = params[k];
  }

  // What register `r` holds where nothing was written to it: one value a register, at the start of the
  // function.
  Value undef(int r) {
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

  // Values of registers. r10 is an address in place.
  Value read(int r) {
    if (r == bpf::kFrameRegister) return slot_address({});
    Value v = state_[size_t(r)];
    return v ? v : undef(r);
  }
  Value slot_address(Home home) {
    return add({.op = Opcode::SlotAddr, .imm = frame_size_, .slot = frame_}, {}, home);
  }
  Value constant(int64_t imm, uint32_t core = kNoCore) {
    return add({.op = Opcode::Const, .imm = imm, .core = core}, {}, {});
  }

  Value add(InstData data, std::initializer_list<Value> operands, Home home) {
    data.origin = index_;
    return out_.insts[out_.append(block_, data, std::span(operands.begin(), operands.size()), home)].result;
  }
  void define(int r, InstData data, std::initializer_list<Value> operands) {
    Value v = add(data, operands, Home::reg(r));
    if (r < 10) state_[size_t(r)] = v;
  }

  void clobber() {
    for (size_t r = 1; r <= 5; ++r) state_[r] = {};
  }

  uint32_t core_at(uint32_t index) const {
    auto it = std::ranges::lower_bound(in_.core, index, {}, &bpf::CoreRecord::insn);
    return it != in_.core.end() && it->insn == index ? it->id : kNoCore;
  }

  std::unexpected<Error> unknown(bpf::Insn insn, const std::string& why) {
    char code[8];
    std::snprintf(code, sizeof code, "0x%02x", insn.code);
    return fail("insn-unknown", "opcode " + std::string(code) + " " + why,
                {.section = in_.section, .function = in_.name, .insn = index_});
  }

  Result<void> lift_block(uint32_t b) {
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

  Result<void> lift_insn(uint32_t i) {
    bpf::Insn insn = in_.insns[i];
    if (insn.dst() > 10 || (insn.src() > 10 && insn.cls() != bpf::kLd))
      return unknown(insn, "names a register above r10");
    switch (insn.cls()) {
      case bpf::kLd: return lift_ld(insn);
      case bpf::kLdx: return lift_ldx(insn);
      case bpf::kSt: return lift_st(insn);
      case bpf::kStx: return lift_stx(insn);
      case bpf::kAlu:
      case bpf::kAlu64: return lift_alu(insn);
      default: return lift_jmp(insn);
    }
  }

  Result<void> lift_ld(bpf::Insn insn) {
    if (bpf::is_ld_imm64(insn)) {
      int64_t imm = int64_t(bpf::imm64(insn, in_.insns[index_ + 1]));
      uint32_t core = core_at(index_);
      if (const bpf::Attachment* a = attachment_at(in_, index_)) {
        define(insn.dst(),
               {.op = Opcode::Symbol, .pseudo = insn.src(), .imm = imm, .symbol = a->symbol, .core = core},
               {});
      } else if (insn.src()) {
        return unknown(insn,
                       "with source " + std::to_string(insn.src()) + " refers to nothing that is known");
      } else {
        define(insn.dst(), {.op = Opcode::Const, .form = Form::kLdImm64, .imm = imm, .core = core}, {});
      }
      return {};
    }
    uint8_t mode = insn.code & 0xe0;
    if (mode != bpf::kAbs && mode != bpf::kInd) return unknown(insn, "is defined by no kernel");
    InstData d{
        .op = mode == bpf::kAbs ? Opcode::LdAbs : Opcode::LdInd, .size = size_of(insn), .imm = insn.imm};
    Value context = read(6), index = mode == bpf::kInd ? read(insn.src()) : Value{};
    clobber();
    if (index)
      define(0, d, {context, index});
    else
      define(0, d, {context});
    return {};
  }

  static MemSize size_of(bpf::Insn insn) {
    switch (bpf::access_bytes(insn.code)) {
      case 1: return MemSize::kU8;
      case 2: return MemSize::kU16;
      case 4: return MemSize::kU32;
      default: return MemSize::kU64;
    }
  }

  Result<void> lift_ldx(bpf::Insn insn) {
    uint8_t mode = insn.code & 0xe0;
    MemSize size = size_of(insn);
    if (mode == bpf::kMemsx && size != MemSize::kU64)
      size = MemSize(int(size) + int(MemSize::kS8));
    else if (mode != bpf::kMem)
      return unknown(insn, "is defined by no kernel");
    Value base = read(insn.src());
    define(insn.dst(), {.op = Opcode::Load, .size = size, .offset = insn.off, .core = core_at(index_)},
           {base});
    return {};
  }

  Result<void> lift_st(bpf::Insn insn) {
    if ((insn.code & 0xe0) != bpf::kMem) return unknown(insn, "is defined by no kernel");
    Value base = read(insn.dst()), value = constant(sext32(insn.imm));
    add({.op = Opcode::Store, .size = size_of(insn), .offset = insn.off, .core = core_at(index_)},
        {base, value}, {});
    return {};
  }

  Result<void> lift_stx(bpf::Insn insn) {
    uint8_t mode = insn.code & 0xe0;
    InstData d{.op = Opcode::Store, .size = size_of(insn), .offset = insn.off, .core = core_at(index_)};
    if (mode == bpf::kMem) {
      Value base = read(insn.dst());
      add(d, {base, read(insn.src())}, {});
      return {};
    }
    if (mode != bpf::kAtomic) return unknown(insn, "is defined by no kernel");
    switch (insn.imm) {
      case bpf::kLoadAcq: {
        d.op = Opcode::LoadAcquire;
        Value base = read(insn.src());
        define(insn.dst(), d, {base});
        return {};
      }
      case bpf::kStoreRel: d.op = Opcode::StoreRelease; break;
      case bpf::kAdd: d.op = Opcode::AtomicAdd; break;
      case bpf::kAnd: d.op = Opcode::AtomicAnd; break;
      case bpf::kOr: d.op = Opcode::AtomicOr; break;
      case bpf::kXor: d.op = Opcode::AtomicXor; break;
      case int32_t{bpf::kAdd} | bpf::kFetch: d.op = Opcode::FetchAdd; break;
      case int32_t{bpf::kAnd} | bpf::kFetch: d.op = Opcode::FetchAnd; break;
      case int32_t{bpf::kOr} | bpf::kFetch: d.op = Opcode::FetchOr; break;
      case int32_t{bpf::kXor} | bpf::kFetch: d.op = Opcode::FetchXor; break;
      case bpf::kXchg: d.op = Opcode::Xchg; break;
      case bpf::kCmpxchg: d.op = Opcode::CmpXchg; break;
      default:
        return unknown(insn,
                       "with atomic operation " + std::to_string(insn.imm) + " is defined by no kernel");
    }
    Value base = read(insn.dst());
    if (d.op == Opcode::CmpXchg) {
      Value expected = read(0);
      define(0, d, {base, expected, read(insn.src())});
    } else if (info(d.op).has_result) {
      define(insn.src(), d, {base, read(insn.src())});
    } else {
      add(d, {base, read(insn.src())}, {});
    }
    return {};
  }

  Result<void> lift_alu(bpf::Insn insn) {
    uint8_t op = insn.code & 0xf0;
    bool wide = insn.cls() == bpf::kAlu64, reg = insn.code & bpf::kX;
    Width w = wide ? Width::k64 : Width::k32;
    if (insn.dst() == bpf::kFrameRegister) return unknown(insn, "writes the frame pointer");
    if (op == bpf::kMov) return lift_mov(insn, w, reg);
    if (op == bpf::kEnd) return lift_end(insn, wide, reg);
    if (op == bpf::kNeg) {
      define(insn.dst(), {.op = Opcode::Neg, .width = w}, {read(insn.dst())});
      return {};
    }
    static constexpr Opcode kOps[] = {Opcode::Add, Opcode::Sub,  Opcode::Mul,  Opcode::UDiv, Opcode::Or,
                                      Opcode::And, Opcode::Shl,  Opcode::LShr, Opcode::Neg,  Opcode::UMod,
                                      Opcode::Xor, Opcode::Copy, Opcode::AShr};
    if (size_t(op >> 4) >= std::size(kOps)) return unknown(insn, "is defined by no kernel");
    Opcode code = kOps[op >> 4];
    if (insn.off) {
      if (insn.off != 1 || (code != Opcode::UDiv && code != Opcode::UMod))
        return unknown(insn, "with offset " + std::to_string(insn.off) + " is defined by no kernel");
      code = code == Opcode::UDiv ? Opcode::SDiv : Opcode::SMod;
    }
    Value x = read(insn.dst());
    Value y = reg ? read(insn.src()) : constant(sext32(insn.imm), core_at(index_));
    define(insn.dst(), {.op = code, .width = w}, {x, y});
    return {};
  }

  Result<void> lift_mov(bpf::Insn insn, Width w, bool reg) {
    if (!reg) {
      int64_t imm = w == Width::k64 ? sext32(insn.imm) : int64_t(uint32_t(insn.imm));
      Form form = w == Width::k64 ? Form::kNatural : Form::kMov32;
      define(insn.dst(), {.op = Opcode::Const, .form = form, .imm = imm, .core = core_at(index_)}, {});
      return {};
    }
    InstData d{.width = w};
    switch (insn.off) {
      case 0:
        if (w == Width::k64 && insn.src() == bpf::kFrameRegister) {
          state_[insn.dst()] = slot_address(Home::reg(insn.dst()));
          return {};
        }
        d.op = w == Width::k64 ? Opcode::Copy : Opcode::ZExt32;
        d.width = Width::k64;
        break;
      case 1:
        d.op = Opcode::AddrSpaceCast, d.imm = insn.imm;
        if (w == Width::k32) return unknown(insn, "is an address space cast of 32 bits");
        break;
      case 8: d.op = Opcode::SExt8; break;
      case 16: d.op = Opcode::SExt16; break;
      case 32:
        d.op = Opcode::SExt32;
        if (w == Width::k32) return unknown(insn, "extends 32 bits to 32 bits");
        break;
      default: return unknown(insn, "with offset " + std::to_string(insn.off) + " is defined by no kernel");
    }
    Value v = read(insn.src());
    define(insn.dst(), d, {v});
    return {};
  }

  Result<void> lift_end(bpf::Insn insn, bool wide, bool big) {
    int row = insn.imm == 16 ? 0 : insn.imm == 32 ? 1 : insn.imm == 64 ? 2 : -1;
    if (row < 0 || (wide && big)) return unknown(insn, "swaps " + std::to_string(insn.imm) + " bits");
    Opcode first = wide ? Opcode::BSwap16 : big ? Opcode::Be16 : Opcode::Le16;
    define(insn.dst(), {.op = Opcode(int(first) + row)}, {read(insn.dst())});
    return {};
  }

  Result<void> lift_jmp(bpf::Insn insn) {
    uint8_t op = insn.code & 0xf0;
    if (insn.code == bpf::kCodeCall || insn.code == bpf::kCodeCallx) return lift_call(insn);
    if (insn.code == bpf::kCodeExit) {
      add({.op = Opcode::Return}, {read(0)}, {});
    } else if (bpf::is_unconditional_jump(insn.code)) {
      add({.op = Opcode::Jump}, {}, {});
    } else if (insn.code == bpf::kCodeGotox) {
      add({.op = Opcode::GotoX}, {read(insn.dst())}, {});
    } else if (insn.code == bpf::kCodeMayGoto && insn.src() == 0) {
      add({.op = Opcode::MayGoto}, {}, {});
    } else {
      static constexpr Opcode kOps[] = {Opcode::Jump,    Opcode::JumpEq, Opcode::JumpGt,  Opcode::JumpGe,
                                        Opcode::JumpSet, Opcode::JumpNe, Opcode::JumpSgt, Opcode::JumpSge,
                                        Opcode::Jump,    Opcode::Jump,   Opcode::JumpLt,  Opcode::JumpLe,
                                        Opcode::JumpSlt, Opcode::JumpSle};
      if (size_t(op >> 4) >= std::size(kOps) || kOps[op >> 4] == Opcode::Jump)
        return unknown(insn, "is defined by no kernel");
      Value x = read(insn.dst());
      Value y = insn.code & bpf::kX ? read(insn.src()) : constant(sext32(insn.imm));
      add({.op = kOps[op >> 4], .width = insn.cls() == bpf::kJmp ? Width::k64 : Width::k32}, {x, y}, {});
    }
    return {};
  }

  Result<void> lift_call(bpf::Insn insn) {
    int known = call_arguments(program_, in_, index_, facts_);
    std::vector<Value> args;
    for (int r = 1; r <= (known < 0 ? bpf::kMaxArguments : known); ++r) args.push_back(read(r));
    while (known < 0 && !args.empty() && out_.is(args.back(), Opcode::Undef)) args.pop_back();
    InstData d{.op = Opcode::CallHelper, .pseudo = insn.src(), .imm = insn.imm, .origin = index_};
    d.offset = insn.off;
    const bpf::Attachment* a = attachment_at(in_, index_);
    if (insn.code == bpf::kCodeCallx) {
      d.op = Opcode::CallX;
      args.push_back(read(insn.dst()));
    } else if (a) {
      bool local = program_.symbols[a->symbol].kind == bpf::Symbol::Kind::kFunc;
      d.op = local ? Opcode::CallFunc : Opcode::CallKfunc;
      d.symbol = a->symbol;
    } else if (insn.src() != bpf::kHelperCall) {
      return unknown(insn, "calls something that is not known");
    }
    if (d.op == Opcode::CallHelper || d.op == Opcode::CallX || d.op == Opcode::CallFunc) d.offset = 0;
    Inst i = out_.append(block_, d, args, Home::reg(0));
    clobber();
    state_[0] = out_.insts[i].result;
    return {};
  }

  void connect(uint32_t b, const PhiPlaces&) {
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
    for (uint32_t s : succs) targets.push_back(blocks_[s]);
    Edge first = out_.set_targets(end, targets);
    state_ = exit_state_[b];
    for (uint32_t n = 0; n < succs.size(); ++n)
      if (!params_[succs[n]].empty()) out_.set_args(Edge{first.index + n}, arguments(succs[n]));
  }
  std::vector<Value> arguments(uint32_t target) {
    std::vector<Value> args;
    for (int r : params_[target]) args.push_back(state_[size_t(r)] ? state_[size_t(r)] : undef(r));
    return args;
  }

  const bpf::Program& program_;
  const bpf::Function& in_;
  const CallFacts& facts_;
  Function out_;
  Flow flow_;
  std::vector<Block> blocks_;
  std::vector<std::vector<int>> params_;
  std::vector<State> exit_state_;
  State entry_state_, state_;
  Block entry_, block_;
  std::array<Value, 10> undefs_;
  Slot frame_;
  int frame_size_ = 0;
  uint32_t index_ = 0;
  bool entry_jump_ = false;
  bool in_has_tables_ = false;
};

}  // namespace

Result<Function> lift(const bpf::Program& program, bpf::FunctionId id, const CallFacts& facts, LiftOptions) {
  CheckScope scope("lifting");
  return Lifter(program, id, facts).run();
}

CallFacts analyze_calls(const bpf::Program& program) {
  // Arguments only grow from call to caller, so rounds end after at most the depth of the call graph.
  CallFacts facts;
  for (uint32_t n = 0; n < program.functions.size(); ++n) facts.args.at(bpf::FunctionId{n}) = 0;
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t n = program.functions.size(); n-- > 0;) {
      bpf::FunctionId id{n};
      const bpf::Function& fn = program.functions[id];
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
