#pragma once
#include <functional>

#include "driver/compile.h"

namespace epass::driver {

// Does to single functions what is to be done, and lets several threads do it.
class Worker {
 public:
  Worker(const bpf::Program& program, const CompileOptions& options, const Stages& stages, bpf::Isa isa);

  const bpf::Program& program() const { return program_; }
  const Stages& stages() const { return stages_; }
  const CompileOptions& options() const { return options_; }
  bpf::Isa isa() const { return lower_options_.isa; }

  // From bytecode to bytecode.
  void compile(FunctionOutcome& out) const;
  // The steps of it. What goes wrong is the reason why the function is kept.
  std::optional<Function> lift(FunctionOutcome& out) const;
  void lower(FunctionOutcome& out, Function&& fn) const;
  void keep(FunctionOutcome& out, Error why) const;
  // Calls `work` for each function that is selected, in any order.
  // It is the last thing done to them, unless `is_last` is false.
  void for_each(CompiledProgram& compiled, const std::function<void(FunctionOutcome&)>& work,
                bool is_last = true) const;

 private:
  void weigh(FunctionOutcome& out) const;
  CodeSize size_before(bpf::FunctionId id, std::span<const bpf::Inlined> inlined) const;
  Result<void> try_lower(FunctionOutcome& out, Function&& fn) const;

  const bpf::Program& program_;
  const CompileOptions& options_;
  const Stages& stages_;
  CallFacts facts_;
  LowerOptions lower_options_;
};

// Compiles all functions at once, with passes that see all of them.
void compile_module(const Worker& worker, CompiledProgram& compiled);
// Whether functions of the program call, or take the address of, others.
bool calls_its_own(const bpf::Program& program);

}  // namespace epass::driver
