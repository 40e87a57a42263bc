#pragma once
// What is known about one function, computed when first asked for and kept until the function changes. Ask
// before editing: what is kept is a picture of the function as it was.

#include <optional>

#include "analysis/cfg.h"
#include "analysis/loops.h"
#include "analysis/memory.h"
#include "analysis/stack_addresses.h"
#include "analysis/users.h"
#include "ir/dominators.h"

namespace epass {

class Analyses {
 public:
  // Both must outlive it, and stay where they are.
  Analyses(const Function& fn, const Symbols& symbols) : fn_(fn), symbols_(symbols) {}

  const Cfg& cfg() { return get(cfg_, fn_); }
  const Dominators& dominators() { return get(dominators_, fn_); }
  const Loops& loops() { return get(loops_, fn_, cfg(), dominators()); }
  const Frequencies& frequencies() { return get(frequencies_, fn_, cfg(), loops()); }
  const Users& users() { return get(users_, fn_); }
  const StackAddresses& stack() { return get(stack_, fn_, cfg()); }
  const MemoryModel& memory() { return get(memory_, fn_, cfg(), users(), stack(), symbols_); }

  // Forgets what a change of blocks or edges spoils: everything.
  void control_flow_changed();
  // Forgets what a change of instructions, operands, arguments or parameters spoils.
  void instructions_changed();
  // Whether the control flow that is kept is what the function has now.
  bool is_current() const;

 private:
  template <class T, class... Args>
  static const T& get(std::optional<T>& kept, Args&... args) {
    return kept ? *kept : kept.emplace(args...);
  }

  const Function& fn_;
  const Symbols& symbols_;
  std::optional<Cfg> cfg_;
  std::optional<Dominators> dominators_;
  std::optional<Loops> loops_;
  std::optional<Frequencies> frequencies_;
  std::optional<Users> users_;
  std::optional<StackAddresses> stack_;
  std::optional<MemoryModel> memory_;
};

}  // namespace epass
