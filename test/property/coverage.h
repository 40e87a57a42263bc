#pragma once
// Which forms of instructions random programs use, against all that the instruction set has.

#include <cstdint>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "bpf/insn.h"

namespace epass {

class Coverage {
 public:
  void add(const std::vector<bpf::Insn>& insns);
  size_t used() const;
  static size_t all();
  std::vector<std::string> missing() const;

 private:
  // Opcode, and what else tells forms apart: offset, immediate or source register.
  using Form = std::tuple<uint8_t, int32_t>;
  static Form form_of(bpf::Insn insn);
  static const std::set<Form>& forms();
  static bpf::Insn example(const Form& form);

  std::set<Form> seen_;
};

}  // namespace epass
