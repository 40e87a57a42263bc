// The static check: it ends, names instructions that exist, and says the same twice. A program without faults
// never meets a malformed instruction in the virtual machine, wherever it goes.

#include "bpf/check.h"
#include "fuzz.h"
#include "object/dump.h"
#include "records.h"
#include "vm/vm.h"

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  return epass::fuzz::Records(seed).mutate(data, size, max_size);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace epass;
  fuzz::count();
  auto insns = object::parse_raw({data, size});
  if (!insns) return 0;
  auto program = object::split_flat(std::move(*insns), "fuzz");
  if (!program) return 0;
  const std::vector<bpf::Fault> faults = bpf::check(*program);
  for (const bpf::Fault& fault : faults)
    if (fault.insn && fault.insn >= program->functions[fault.function].insns.size())
      fuzz::finding("a fault at an instruction that does not exist: " + fault.message);
  if (bpf::check(*program).size() != faults.size()) fuzz::finding("the second check says something else");
  if (!faults.empty()) return 0;
  ++fuzz::valid;
  const vm::Executable executable(*program);
  const vm::Input input{.context = vm::Context::kSkb, .packet = std::vector<uint8_t>(64, 7), .budget = 2000};
  const vm::Outcome out = vm::run(executable, bpf::FunctionId{0}, input);
  for (const vm::Op& op : executable.ops())
    if (op.code == vm::OpCode::kFault && out.error == executable.message(op))
      fuzz::finding("no fault was found, but it stops: " + out.error);
  if (out.error == "control leaves the function") fuzz::finding("no fault was found, but " + out.error);
  return 0;
}
