#pragma once
// One flat program through the compiler in every way that the judges ask for. What ways have in common is
// done once.

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "bpf/program.h"
#include "codegen/lower.h"
#include "ir/function.h"
#include "lift/lift.h"

namespace epass {

// A way through the compiler.
struct Variant {
  std::string passes = {};
  Homes homes = Homes::kKept;
  std::string level = {};  // instead of both: all that the command does at a level, with all registers
  std::string name() const {
    if (!level.empty()) return "-" + level;
    return passes + (homes == Homes::kKept ? "" : homes == Homes::kLast ? " homes last" : " without homes");
  }
};

// The fixed ones, and one that the seed decides: passes in any order.
std::vector<Variant> variants(uint64_t seed);

class Compiler {
 public:
  // Null if the input cannot be split into functions; `why` says it.
  static Result<Compiler> make(const std::vector<bpf::Insn>& insns);

  const bpf::Program& program() const { return program_; }
  Result<std::vector<bpf::Insn>> compile(const Variant& variant, int registers);

 private:
  using Module = std::vector<Function>;
  Result<const Module*> module(const std::string& passes);

  bpf::Program program_;
  CallFacts facts_;
  Module lifted_;
  std::map<std::string, Module> optimized_;  // by passes
};

}  // namespace epass
