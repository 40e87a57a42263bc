// Programs whose functions call each other, with passes that see all of them. What such a pass did to one
// function may be right only together with what it did to another. If a function cannot have its new code,
// all is done again, and that function is fixed: its code may change, but nothing that others count on.

#include <algorithm>
#include <numeric>

#include "base/format.h"
#include "driver/worker.h"
#include "passes/call_graph.h"

namespace epass::driver {

namespace {

constexpr int kAttempts = 4;  // in the last one all functions are fixed

template <class Visit>
void each_reference(const bpf::Program& program, const FunctionOutcome& out, Visit visit) {
  const bpf::Function& in = program.functions[out.id];
  for (const bpf::Attachment& a : out.code ? out.code->attachments : in.attachments)
    if (const bpf::FunctionId to = program.symbols[a.symbol].function) visit(to);
}

bool is_static(const bpf::Function& fn) { return !fn.is_entry && !fn.is_global && !fn.is_callback; }

// Which functions the code as it is now leads to.
std::vector<bool> find_used(const bpf::Program& program, const CompiledProgram& compiled) {
  std::vector<bool> used(compiled.functions.size());
  std::vector<bpf::FunctionId> work;
  auto use = [&](bpf::FunctionId id) {
    if (!used[id.index]) used[id.index] = true, work.push_back(id);
  };
  for (const FunctionOutcome& out : compiled.functions) {
    const bpf::Function& fn = program.functions[out.id];
    if (!out.selected || !is_static(fn) || !fn.keep_reason.empty()) use(out.id);
  }
  while (!work.empty()) {
    const FunctionOutcome& out = compiled.functions[work.back().index];
    work.pop_back();
    each_reference(program, out, use);
  }
  return used;
}

class ModuleRun {
 public:
  ModuleRun(const Worker& worker, CompiledProgram& compiled)
      : worker_(worker),
        program_(worker.program()),
        compiled_(compiled),
        fixed_(compiled.functions.size()),
        failed_(fixed_.size()) {}

  void run() {
    const std::vector<FunctionOutcome> fresh = compiled_.functions;
    for (int attempt = 1;; ++attempt) {
      compiled_.functions = fresh;
      if (attempt == kAttempts) fixed_.assign(fixed_.size(), true);
      worker_.stages().module.begin();
      compile();
      // Not those that are kept because of others: with these fixed they may change.
      for (const FunctionOutcome& out : compiled_.functions) failed_[out.id.index] = out.kept.has_value();
      compiled_.drops_unused = members_.drops_unused && !worker_.options().keep_unused;
      settle(program_, compiled_);
      if (!fix() || attempt == kAttempts) return;
    }
  }

 private:
  void compile() {
    functions_.assign(compiled_.functions.size(), {});
    worker_.for_each(
        compiled_, [&](FunctionOutcome& out) { functions_[out.id.index] = worker_.lift(out); }, false);
    find_members();
    const ModuleStages& module = worker_.stages().module;
    for (size_t part = 0; part <= module.passes; ++part) {
      worker_.for_each(
          compiled_,
          [&](FunctionOutcome& out) {
            std::optional<Function>& fn = functions_[out.id.index];
            if (!fn) return;
            auto done = module.optimize(*fn, program_.symbols, worker_.isa(), part);
            if (done) return;
            worker_.keep(out, done.error());
            fn.reset();
          },
          false);
      for (const FunctionOutcome& out : compiled_.functions)
        if (!functions_[out.id.index]) forget(out.id);
      if (part == module.passes) break;
      auto done = module.run(members_, program_.symbols, worker_.isa(), part);
      for (Member& member : members_.list)
        if (member.changed != Changed::kNothing) touched_[members_.id(member).index] = true;
      if (done) continue;
      for (FunctionOutcome& out : compiled_.functions)
        if (functions_[out.id.index]) worker_.keep(out, done.error()), forget(out.id);
    }
    for (FunctionOutcome& out : compiled_.functions)
      out.relies_on = std::move(members_.list[out.id.index].relies_on);
    worker_.for_each(compiled_, [&](FunctionOutcome& out) {
      std::optional<Function>& fn = functions_[out.id.index];
      if (fn) worker_.lower(out, std::move(*fn));
      fn.reset();
    });
  }

  void find_members() {
    members_ = {};
    touched_.assign(functions_.size(), false);
    for (uint32_t n = 0; n < functions_.size(); ++n) {
      const bpf::Function& fn = program_.functions[bpf::FunctionId{n}];
      Member member{.fn = functions_[n] ? &*functions_[n] : nullptr, .is_fixed = fixed_[n]};
      member.is_private = member.fn && is_static(fn);
      member.records = static_cast<uint32_t>(fn.insns.size());
      if (member.fn && fn.insns.empty()) member.records = records_of(*member.fn);
      members_.list.push_back(std::move(member));
    }
    for (Member& member : members_.list) {
      if (!member.fn) {
        forget(members_.id(member));
        continue;
      }
      for (Block b : member.fn->all_blocks())
        for (Inst i : member.fn->insts_of(b))
          if (const InstData& d = member.fn->insts[i]; d.op == Opcode::Symbol && d.symbol)
            expose(program_.symbols[d.symbol].function);
    }
  }
  // Functions that come from text have no other length.
  static uint32_t records_of(const Function& fn) {
    uint32_t records = 0;
    for (uint32_t n = 0; n < fn.insts.size(); ++n)
      if (const uint32_t origin = fn.insts[Inst{n}].origin; origin != kNoOrigin)
        records = std::max(records, origin + 1);
    return records;
  }
  void expose(bpf::FunctionId id) {
    if (id) members_.list[id.index].is_private = false;
  }
  // The function stays as it was, and so do its calls.
  void forget(bpf::FunctionId id) {
    Member& member = members_.list[id.index];
    member.fn = nullptr;
    member.is_private = false;
    for (const bpf::Attachment& a : program_.functions[id].attachments)
      expose(program_.symbols[a.symbol].function);
  }

  // Finds what has to be fixed in another attempt. False: nothing.
  bool fix() {
    const bool never_larger = worker_.options().never_larger;
    std::vector<bool> relied_on(fixed_.size());
    for (const FunctionOutcome& out : compiled_.functions)
      for (bpf::FunctionId id : out.relies_on) relied_on[id.index] = true;
    uint64_t before = 0, after = 0;
    bool any = false;
    for (const FunctionOutcome& out : compiled_.functions) {
      before += out.insns_in, after += out.insns_out;
      const uint32_t n = out.id.index;
      if (!failed_[n] || fixed_[n] || (!touched_[n] && !relied_on[n])) continue;
      fixed_[n] = any = true;
    }
    const bool touched = std::ranges::find(touched_, true) != touched_.end();
    if (any || !touched || ((!never_larger || after <= before) && !is_deeper())) return any;
    fixed_.assign(fixed_.size(), true);
    return true;
  }

  // Whether frames are stacked higher than the kernel allows, which the input's were not.
  bool is_deeper() const {
    // The input's frames are not known; those of functions that are as they were count as nothing.
    std::vector<uint32_t> below(compiled_.functions.size(), UINT32_MAX);
    std::vector<std::pair<bpf::FunctionId, bool>> work;
    for (const FunctionOutcome& out : compiled_.functions)
      if (!out.dropped) work.push_back({out.id, false});
    std::vector<bool> open(compiled_.functions.size());
    while (!work.empty()) {
      auto [id, is_done] = work.back();
      work.pop_back();
      const FunctionOutcome& out = compiled_.functions[id.index];
      if (is_done) {
        uint32_t deepest = 0;
        each_reference(program_, out, [&](bpf::FunctionId to) {
          if (below[to.index] != UINT32_MAX) deepest = std::max(deepest, below[to.index]);
        });
        below[id.index] = deepest + rounded_frame(out.code ? out.code->stack_bytes : 0);
        if (below[id.index] > bpf::kStackSize) return true;
        continue;
      }
      if (open[id.index]) continue;
      open[id.index] = true;
      work.push_back({id, true});
      each_reference(program_, out, [&](bpf::FunctionId to) { work.push_back({to, false}); });
    }
    return false;
  }

  const Worker& worker_;
  const bpf::Program& program_;
  CompiledProgram& compiled_;
  std::vector<bool> fixed_, failed_, touched_;
  std::vector<std::optional<Function>> functions_;
  Members members_;
};

}  // namespace

void compile_module(const Worker& worker, CompiledProgram& compiled) { ModuleRun(worker, compiled).run(); }

bool calls_its_own(const bpf::Program& program) {
  for (uint32_t n = 0; n < program.functions.size(); ++n)
    for (const bpf::Attachment& a : program.functions[bpf::FunctionId{n}].attachments)
      if (program.symbols[a.symbol].function) return true;
  return false;
}

void settle(const bpf::Program& program, CompiledProgram& compiled) {
  for (bool again = true; again;) {
    again = false;
    for (FunctionOutcome& out : compiled.functions) {
      if (!out.code) continue;
      for (bpf::FunctionId id : out.relies_on) {
        const FunctionOutcome& other = compiled.functions[id.index];
        if (other.code || !other.kept) continue;
        keep_old(program, out, *other.kept);
        again = true;
        break;
      }
    }
    if (!compiled.drops_unused) continue;
    const std::vector<bool> used = find_used(program, compiled);
    for (FunctionOutcome& out : compiled.functions) {
      if (out.dropped && used[out.id.index]) {
        // It is called again, by code of the input: so must be what it calls.
        out.dropped = false;
        const Error why{.message = "a function that calls it stayed as it was", .code = "kept"};
        keep_old(program, out, why);
        each_reference(program, out, [&](bpf::FunctionId to) {
          if (compiled.functions[to.index].code) keep_old(program, compiled.functions[to.index], why);
        });
        again = true;
      } else if (!out.dropped && !used[out.id.index]) {
        out.dropped = true;
        out.insns_out = out.x86_out = 0;
        out.work_out = 0;
      }
    }
  }
}

}  // namespace epass::driver
