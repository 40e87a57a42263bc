#pragma once
// Machine form: instructions of the target over virtual registers. Another type than the IR, on purpose.
//
// A virtual register (VReg) is the IR value with the same index, or a temporary above them. Each gets one
// location: a register, an 8-byte stack slot, or none because it is made anew at every use (`kRemat`) or
// undefined (`kUndef`). Instruction n reads at position 2n and writes at position 2n + 1; live segments are
// half-open in positions.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "bpf/program.h"
#include "codegen/lower.h"
#include "ir/function.h"

namespace epass {

using VReg = Id<struct VRegTag>;
using MBlock = Id<struct MBlockTag>;

// A place that can hold a value: >= 0 a register, -512..-1 a stack slot (offset from the frame pointer).
using Loc = int16_t;
constexpr Loc kUnassigned = -1000, kRemat = -1001, kUndef = -1002;
constexpr bool is_register(Loc loc) { return loc >= 0; }
constexpr bool is_slot(Loc loc) { return loc < 0 && loc >= -bpf::kStackSize; }

enum class MKind : uint8_t {
  kAlu,      // def = use0 op (use1 or imm): two-address in the target
  kMove,     // def = extend(use0): mov32, movsx, addr_space_cast
  kMake,     // def = constant, symbol or slot address: see `remat`
  kCopy,     // def = use0: 64-bit move, spill or fill
  kLoad,     // def = *(use0 + off)
  kStore,    // *(use0 + off) = (use1 or imm); also atomics without result
  kFetch,    // def = old *(use0 + off), combined with use1; def is tied to use1
  kCmpXchg,  // def = old *(use0 + off); use1 expected (r0), use2 new
  kLdAbs,    // def = packet bytes; use0 context (r6), use1 index if any
  kCall,     // def = call with `list` in r1..; use0 the target of callx
  kBranch,   // conditional jump on use0, (use1 or imm)
  kMayGoto,
  kGotoX,   // jump to use0
  kJump,    // `list` assigns the target's parameters
  kReturn,  // use0 in r0, or nothing
  kUnreachable,
};

// How to make a value that needs no inputs.
struct Remat {
  enum Kind : uint8_t { kNone, kConst, kSymbol, kSlot } kind = kNone;
  Form form = Form::kNatural;
  uint8_t pseudo = 0;
  int64_t imm = 0;  // constant; symbol's raw immediate; slot: offset from the frame pointer
  bpf::SymbolId symbol = {};
  uint32_t core = kNoCore;
};

struct MInst {
  MKind kind = MKind::kUnreachable;
  bool imm_operand = false;  // the last operand is insn.imm
  bpf::Insn insn = {};       // registers are filled when emitted
  VReg def = {};
  std::array<VReg, 3> use = {};
  ListRef list = {};  // in MFunction::lists
  uint32_t origin = kNoOrigin;
  bpf::SymbolId symbol = {};
  uint32_t core = kNoCore;
};

struct MBlockData {
  uint32_t begin = 0, end = 0;     // instructions
  Block block = {};                // none: on a split edge
  ListRef succs = {}, preds = {};  // in MFunction::neighbours
  ListRef params = {};             // in MFunction::lists
  uint32_t table_target = kNoOrigin;
};

struct Segment {
  uint32_t start = 0, end = 0;
};

struct VRegData {
  Loc loc = kUnassigned;
  int16_t home = Home::kNone;
  Loc hint = kUnassigned;  // where a neighbour by copy wants it
  bool crosses_call = false;
  bool maybe_undef = false;
  uint8_t split = 0;  // 0 a whole value, 1 a part of one block, 2 a single instruction
  float weight = 0;
  uint32_t def_at = UINT32_MAX;                   // position of the definition
  uint32_t first_segment = 0, segment_count = 0;  // in MFunction::segments
  uint32_t remat = UINT32_MAX;                    // index in MFunction::remats
  VReg parent = {};                               // a part reloads from and stores to its parent's slot
};

struct MFunction {
  std::vector<MInst> insts;
  std::vector<MBlockData> blocks;  // in layout order; edges split later follow their source
  std::vector<VRegData> vregs;
  std::vector<Remat> remats;
  std::vector<Segment> segments;
  ListPool<VReg> lists;
  ListPool<MBlock> neighbours;
  // Definitions and uses of each register, sorted by position: uses_begin[v]..uses_begin[v+1] in
  // use_positions.
  std::vector<uint32_t> uses_begin, use_positions;
  std::vector<VReg> params;         // arguments of the function, r1..
  int frame_bytes = 0;              // the program's own frame and slots of passes
  std::vector<int16_t> free_slots;  // home slots inside the frame that hold no memory of the program

  VReg add_vreg(VRegData data = {}) {
    vregs.push_back(data);
    return VReg{static_cast<uint32_t>(vregs.size() - 1)};
  }
  VRegData& reg(VReg v) { return vregs[v.index]; }
  const VRegData& reg(VReg v) const { return vregs[v.index]; }
  std::span<const Segment> segments_of(VReg v) const {
    return {segments.data() + reg(v).first_segment, reg(v).segment_count};
  }
  const Remat* remat(VReg v) const { return reg(v).remat == UINT32_MAX ? nullptr : &remats[reg(v).remat]; }
  std::span<const MBlock> succs(uint32_t b) const { return neighbours.span(blocks[b].succs); }
  std::span<const MBlock> preds(uint32_t b) const { return neighbours.span(blocks[b].preds); }
  std::span<const VReg> block_params(uint32_t b) const { return lists.span(blocks[b].params); }
  uint32_t start_of(const MBlockData& b) const { return 2 * b.begin; }
  uint32_t end_of(const MBlockData& b) const { return 2 * b.end; }
};

// The stages, in order. Each says what it leaves true.
Result<MFunction> select(const Function& fn, const LowerOptions& options);
void compute_live_segments(MFunction& mf);
Result<void> assign_locations(MFunction& mf, const LowerOptions& options);
void forget_idle_constants(MFunction& mf);  // optional: fewer constants keep a register
Result<bpf::NewCode> emit(const MFunction& mf, const LowerOptions& options);

// Operand `n` of `inst` has to be in a register (not a slot, nor made in place).
bool needs_register(const MInst& inst, int n);

}  // namespace epass
