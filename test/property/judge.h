#pragma once
// The judges of one program before and after compilation.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compile.h"
#include "kernel/fd.h"
#include "random_program.h"
#include "vm/vm.h"

namespace epass {

struct Mismatch {
  std::string kind = {};  // of the difference: a reduced program must show the same
  std::string why = {};
  Variant variant = {};
  int registers = 10;
  std::vector<bpf::Insn> after = {};
};

struct Totals {
  uint64_t programs = 0, compilations = 0, runs = 0, ended = 0, undefined = 0, refused = 0, unstable = 0,
           no_room = 0, same_as_vm = 0, failures = 0;
  std::map<std::string, std::vector<uint64_t>> reasons = {};  // of refusals, with their seeds
};

// Ways through the compiler and inputs, cheap or complete.
struct Effort {
  bool all_registers = true;  // 4 to 10 for each way, or one of them as the seed says
  int inputs = 4;
  std::function<void(std::vector<bpf::Insn>&)> plant = {};  // makes the output wrong: tests of the judge
};

std::vector<uint8_t> random_packet(uint64_t seed);

// Runs `insns` in the virtual machine. `only`: no other variant, with its registers.
std::optional<Mismatch> judge_in_vm(const RandomProgram& program, uint64_t seed, const Effort& effort,
                                    Totals& totals, const Mismatch* only = nullptr);

// The virtual machine's view of the maps that programs refer to.
vm::Options vm_options();
std::vector<uint8_t> first_value(uint32_t key);
constexpr uint64_t kHashFilled = 4;  // keys 0.. that the hash holds at first

// Loads and runs in this kernel; the maps are made once.
class KernelJudge {
 public:
  KernelJudge();
  ~KernelJudge();
  const std::string& unavailable() const { return unavailable_; }  // "" or why there is no kernel to ask
  std::optional<Mismatch> judge(const RandomProgram& program, uint64_t seed, Totals& totals,
                                const Mismatch* only = nullptr);
  // Whether the kernel returns what the virtual machine did.
  std::optional<Mismatch> judge_machine(const RandomProgram& program, const vm::Executable& executable,
                                        const std::vector<vm::Input>& inputs,
                                        const std::vector<vm::Outcome>& expected, const vm::Options& options,
                                        Totals& totals);

 private:
  // Nothing that could run for long is given to the kernel.
  static bool may_run(const RandomProgram& program, const vm::Outcome& outcome);
  struct Run {
    uint32_t result = 0;
    std::vector<uint8_t> packet = {}, context = {}, maps = {};
    std::string difference(const Run& other) const;
  };
  kernel::Fd load(std::vector<bpf::Insn> insns, const RandomProgram& program, std::string& why);
  std::optional<Run> run(const kernel::Fd& program, bool xdp, const std::vector<uint8_t>& packet);
  void reset_maps();
  std::vector<uint8_t> read_maps();

  std::string unavailable_;
  kernel::Fd array_, hash_, data_;
};

// One program on the engines of the virtual machine: results, memory, faults and counts are the same. What is
// made for the kernel also runs unchecked (the rest may compute with addresses), and in the kernel if there
// is one to ask.
std::optional<Mismatch> judge_engines(const RandomProgram& program, uint64_t seed, Judge judge,
                                      KernelJudge* kernel, Totals& totals);

}  // namespace epass
