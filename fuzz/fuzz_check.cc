// The static check on any bytes: it ends, names instructions that exist, and says the same twice.

#include "bpf/check.h"
#include "fuzz.h"
#include "object/dump.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace epass;
  fuzz::count();
  auto insns = object::parse_raw({data, size});
  if (!insns) return 0;
  auto program = object::split_flat(std::move(*insns), "fuzz");
  if (!program) return 0;
  const std::vector<bpf::Fault> faults = bpf::check(*program);
  fuzz::valid += faults.empty();
  for (const bpf::Fault& fault : faults)
    if (fault.insn && fault.insn >= program->functions[fault.function].insns.size())
      fuzz::finding("a fault at an instruction that does not exist: " + fault.message);
  if (bpf::check(*program).size() != faults.size()) fuzz::finding("the second check says something else");
  return 0;
}
