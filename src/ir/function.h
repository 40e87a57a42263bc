#pragma once
// One function in SSA form. Everything is an id into a table of the function, so copying a function is a
// copy.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/table.h"
#include "bpf/program.h"
#include "ir/opcode.h"

namespace epass {

using Value = Id<struct ValueTag>;
using Inst = Id<struct InstTag>;
using Block = Id<struct BlockTag>;
using Edge = Id<struct EdgeTag>;
using Slot = Id<struct SlotTag>;

// Where a value lived in the input: a register, or an 8-byte stack slot. Codegen prefers it.
struct Home {
  static constexpr int16_t kNone = INT16_MIN;
  int16_t code = kNone;  // 0..10 a register, -8..-512 an offset from the frame pointer

  static constexpr Home reg(int r) { return {static_cast<int16_t>(r)}; }
  static constexpr Home stack(int offset) { return {static_cast<int16_t>(offset)}; }
  constexpr explicit operator bool() const { return code != kNone; }
  constexpr bool is_reg() const { return code >= 0; }
  constexpr bool is_stack() const { return code < 0 && code != kNone; }
  friend constexpr bool operator==(Home, Home) = default;
};

// How the input wrote a constant that has several encodings. Only a preference.
enum class Form : uint8_t { kNatural, kMov32, kLdImm64 };

constexpr uint32_t kNoOrigin = UINT32_MAX;
constexpr uint32_t kNoCore = UINT32_MAX;

struct InstData {
  Opcode op = Opcode::Undef;
  Width width = Width::k64;
  MemSize size = MemSize::kU64;
  Form form = Form::kNatural;
  int16_t offset = 0;  // memory; call_kfunc: the record's `off`
  uint8_t pseudo = 0;  // symbol: src of ld_imm64; gotol: unused
  uint8_t edge_count = 0;
  int64_t imm = 0;
  Value result = {};
  Block block = {};
  Inst prev = {}, next = {};
  // Index of the record in the input function that it comes from, or see Function::inlined: for source lines
  // and messages, and nothing else.
  uint32_t origin = kNoOrigin;
  bpf::SymbolId symbol = {};
  Slot slot = {};
  // A CO-RE record (bpf::CoreRecord::id). On a Const it makes the value unknown: the loader changes it. On a
  // Load or Store it concerns offset and size. Such instructions keep their form; nothing folds into or out
  // of them.
  uint32_t core = kNoCore;
  Edge first_edge = {};                       // edge_count edges with consecutive ids
  uint32_t operand_count = 0;                 // managed by Function
  std::array<Value, 3> inline_operands = {};  // managed by Function: read through operand()
};

// A jump to `to` that passes `args` to its parameters as one parallel assignment: block parameters are this
// IR's phis.
struct EdgeData {
  Block to = {};
  ListRef args = {};
};

struct BlockData {
  Inst first = {}, last = {};
  Block prev = {}, next = {};
  ListRef params = {};
  bool placed = false;                // false once removed from the layout
  uint32_t table_target = kNoOrigin;  // a target of gotox: the input record that jump tables name
};

// Where a value comes from: the instruction `inst`, or parameter of `block`.
struct ValueData {
  Inst inst = {};
  Block block = {};
  Value alias = {};  // set once the value has been replaced by another
  Home home = {};
};

// Stack memory. Slot 0, if the function uses the frame directly, is the program's own frame: rigid, at
// fp-size.
struct SlotData {
  uint32_t size = 0;  // bytes
  int16_t place = 0;  // lowest byte as offset from the frame pointer; 0: codegen chooses
};

// Iterates a linked list of ids. The current item may be removed while iterating.
template <class Key, class Owner>
class LinkedRange {
 public:
  struct Iterator {
    const Owner* owner;
    Key at;
    Key operator*() const { return at; }
    Iterator& operator++() { return at = owner->next(at), *this; }
    bool operator!=(const Iterator& other) const { return at != other.at; }
  };
  LinkedRange(const Owner& owner, Key first) : owner_(&owner), first_(first) {}
  Iterator begin() const { return {owner_, first_}; }
  Iterator end() const { return {owner_, {}}; }

 private:
  const Owner* owner_;
  Key first_;
};

class Function {
 public:
  std::string name = {};
  std::string type = {};  // program type, "" for subprograms
  std::string section = {};
  bool is_entry = false;
  bool is_global = false;
  bool returns_void = false;
  std::vector<bpf::Inlined> inlined = {};  // what origins beyond its own records mean, sorted

  Table<Value, ValueData> values;
  Table<Inst, InstData> insts;
  Table<Block, BlockData> blocks;
  Table<Edge, EdgeData> edges;
  Table<Slot, SlotData> slots;

  // Layout: blocks in order of their code. The first is the entry; its parameters are the arguments r1, r2,
  // ...
  Block entry() const { return first_block_; }
  Block last_block() const { return last_block_; }
  Block next(Block b) const { return blocks[b].next; }
  Inst next(Inst i) const { return insts[i].next; }
  LinkedRange<Block, Function> all_blocks() const { return {*this, first_block_}; }
  LinkedRange<Inst, Function> insts_of(Block b) const { return {*this, blocks[b].first}; }
  Inst terminator(Block b) const { return blocks[b].last; }

  // A new empty block after `after`, or at the end.
  Block add_block(Block after = {});
  // Takes the block out of the layout with all its instructions. Nothing may jump to it any more.
  void remove_block(Block b);
  void move_block_after(Block b, Block after);

  Value add_param(Block b, Home home = {});
  std::span<const Value> params(Block b) const { return pool_.span(blocks[b].params); }
  // Removes parameter `n` of `b` and argument `n` of each of the edges given: all edges to `b`.
  void remove_param(Block b, uint32_t n, std::span<const Edge> incoming);

  // Instructions. `data.operand_count` and the links are filled in; a result value is made if the opcode has
  // one.
  Inst append(Block b, InstData data, std::span<const Value> operands = {}, Home home = {});
  Inst insert_before(Inst at, InstData data, std::span<const Value> operands = {}, Home home = {});
  // Takes the instruction out of its block. Its id stays readable.
  void remove(Inst i);
  // Moves `first` and everything after it to a new block placed after theirs, which it returns; the old block
  // is left without an end.
  Block split_before(Inst first);
  void move_before(Inst i, Inst at);
  // Makes a store, or anything else without a result, into a copy of `of`; returns what it makes now.
  Value become_copy(Inst i, Value of, Home home = {});
  // Puts the instructions of `b` in place of the end of `pred` and removes `b`.
  void append_all(Block pred, Block b);

  std::span<Value> operands(Inst i) {
    InstData& data = insts[i];
    if (data.operand_count <= 3) return {data.inline_operands.data(), data.operand_count};
    return pool_.span({data.inline_operands[0].index, data.operand_count});
  }
  std::span<const Value> operands(Inst i) const { return const_cast<Function*>(this)->operands(i); }
  Value operand(Inst i, size_t n) const { return resolve(operands(i)[n]); }
  void set_operands(Inst i, std::span<const Value> operands);

  // Edges of a terminator.
  Edge edge(Inst i, size_t n) const { return Edge{insts[i].first_edge.index + static_cast<uint32_t>(n)}; }
  Block target(Inst i, size_t n) const { return edges[edge(i, n)].to; }
  std::span<Value> args(Edge e) { return pool_.span(edges[e].args); }
  std::span<const Value> args(Edge e) const { return pool_.span(edges[e].args); }
  void set_args(Edge e, std::span<const Value> values) { edges[e].args = pool_.add(values); }
  void add_arg(Edge e, Value v) { pool_.push_back(edges[e].args, v); }
  // Gives the terminator `i` edges to these blocks, without arguments; returns the first.
  Edge set_targets(Inst i, std::span<const Block> targets);
  // Puts a block with a plain jump on the edge, at its place in front of the target or after the source.
  Block split_edge(Edge e, Block place_after);

  // All uses of `from` become uses of `to`. Constant time: readers go through resolve().
  void replace(Value from, Value to);
  Value resolve(Value v) const {
    if (!has_aliases_) return v;
    while (values[v].alias) v = values[v].alias;
    return v;
  }
  // Rewrites every operand and argument to what it resolves to, and forgets the replacements. The manager
  // calls it after each pass.
  void compact_aliases();
  // Gives all that is still in the layout new ids, in their old order, and drops the rest. Ids held elsewhere
  // are void then. False, and nothing done: code that nothing leads to uses values that are gone.
  bool compact();

  Home home(Value v) const { return values[v].home; }
  // The instruction that makes `v`, or none if it is a parameter.
  Inst def(Value v) const { return values[resolve(v)].inst; }
  bool is(Value v, Opcode op) const {
    Inst i = def(v);
    return i && insts[i].op == op;
  }
  // `v` without the copies it went through.
  Value source(Value v) const;
  // The constant `v` holds, through copies, as an instruction of that width sees it. None for CO-RE
  // constants.
  std::optional<uint64_t> constant(Value v, Width width) const;

  // Snapshot of all instructions in layout order, for passes that edit while they walk.
  std::vector<Inst> all_insts() const;

 private:
  Inst make(Block b, InstData data, std::span<const Value> operands, Home home);

  ListPool<Value> pool_;
  bool has_aliases_ = false;
  Block first_block_ = {}, last_block_ = {};
};

using Symbols = Table<bpf::SymbolId, bpf::Symbol>;

// A program's functions in SSA form with the symbols they refer to.
struct Module {
  std::string name = {};
  Symbols symbols = {};
  std::vector<Function> functions = {};
};

}  // namespace epass
