#pragma once
// What a pass is: a function that edits one function in SSA form, or all functions of a program, and a line
// in passes/passes.def.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/analyses.h"
#include "base/result.h"
#include "ir/function.h"

namespace epass {

// How much a pass changed, and so what the manager must forget about the function: kInstructions keeps what
// follows from blocks and edges alone. Return the truth: --verify-each checks.
enum class Changed : uint8_t { kNothing, kInstructions, kControlFlow };

constexpr Changed operator|(Changed a, Changed b) { return a > b ? a : b; }
constexpr Changed& operator|=(Changed& a, Changed b) { return a = a | b; }

// Options of one pass in a pipeline, as written: `pass(name=value)`.
using PassOptions = std::map<std::string, std::string, std::less<>>;
using Counters = std::map<std::string, uint64_t, std::less<>>;

// The files of `.epir` text that passes write and read: whoever runs the pipeline says what happens. `path`
// is as in the pipeline.
struct IrFiles {
  std::function<Result<void>(const std::string& path, const Function&)> dump = {};
  std::function<Result<const Module*>(const std::string& path, const Function&)> load = {};
};

// What a pass says of an instruction beside what it did to it: that it would have done something and why it
// did not, or what it found out.
struct PassRemark {
  enum Kind : uint8_t { kMissed, kAnalysis };
  Kind kind = kMissed;
  uint32_t insn = kNoOrigin;  // of the input
  std::string operation = {};
  std::string reason = {};
};

// What a pass may use besides the functions.
struct ModulePassContext {
  const Symbols& symbols;
  const PassOptions& options;
  Counters& counters;            // for --stats: bump with count("simplify.x + 0")
  bpf::Isa isa = bpf::Isa::kV3;  // what the code generator may use
  const IrFiles& files;

  // The value of an option, or `fallback`.
  std::string option(std::string_view name, std::string_view fallback = "") const {
    auto it = options.find(name);
    return it == options.end() ? std::string(fallback) : it->second;
  }

  void count(std::string_view name) {
    auto it = counters.find(name);
    ++(it == counters.end() ? counters[std::string(name)] : it->second);
  }
};

struct PassContext : ModulePassContext {
  Analyses& analyses;  // of the function as it was when the pass began, unless asked for after an edit
  std::vector<PassRemark>* remarks = nullptr;  // none: nobody listens

  // Says why nothing was done at `i`, in a few words: "a call in between may read it". Costs nothing unless
  // remarks were asked for; where finding the reason is work, ask `remarks` first.
  void missed(const Function& fn, Inst i, std::string_view reason) const {
    if (remarks) remark(PassRemark::kMissed, fn, i, reason);
  }
  // Says what was found out about `i`.
  void analysis(const Function& fn, Inst i, std::string_view what) const {
    if (remarks) remark(PassRemark::kAnalysis, fn, i, what);
  }
  void remark(PassRemark::Kind kind, const Function& fn, Inst i, std::string_view reason) const;
};

// The option `name` of `pass` as a number; `fallback` if it was not given. Error `pass-option`: it is none,
// or less than `least`.
Result<uint64_t> number_option(const ModulePassContext& context, std::string_view pass, std::string_view name,
                               uint64_t fallback, uint64_t least = 1);
// Removes blocks that nothing leads to, for passes that count on there being none.
Changed drop_unreachable(Function& fn, PassContext& context);

using PassFunction = Result<Changed> (*)(Function&, PassContext&);

// One function of a program, as passes see it that see all of them.
struct Member {
  Function* fn = nullptr;   // null: it stays as it was
  bool is_private = false;  // only calls lead to it, all of them in functions of the module
  bool is_fixed = false;    // its code may have to stay as it was: read it, but change nothing in it, and
                            // change nothing that it takes or gives
  uint32_t records = 0;     // of the input's code
  // Functions whose change it counts on: if one of them stays as it was, so must this one.
  std::set<bpf::FunctionId> relies_on = {};
  Changed changed = Changed::kNothing;  // by the pass that runs now: set it for each function that changed
};

// The functions of one program, in its order.
struct Members {
  std::vector<Member> list = {};
  bool drops_unused = false;  // whether private functions that nothing leads to any more are left out

  // What a call of a member calls, null for all other instructions.
  Member* callee(const Function& fn, Inst i, const Symbols& symbols) {
    const InstData& d = fn.insts[i];
    const bpf::FunctionId id =
        d.op == Opcode::CallFunc && d.symbol ? symbols[d.symbol].function : bpf::FunctionId{};
    return id && id.index < list.size() ? &list[id.index] : nullptr;
  }
  bpf::FunctionId id(const Member& member) const {
    return bpf::FunctionId{static_cast<uint32_t>(&member - list.data())};
  }
};

// A pass that sees all functions. It sets Member::changed, and says what changed most.
using ModulePassFunction = Result<Changed> (*)(Members&, ModulePassContext&);

struct PassInfo {
  std::string_view name, summary;
  std::string_view options;  // "path=FILE (default -)", "" for none
  std::string_view levels;   // "O1 O2": the levels that run it
  PassFunction run = nullptr;
  ModulePassFunction run_on_module = nullptr;  // instead of `run`
};

}  // namespace epass
