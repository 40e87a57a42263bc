// Bare bytecode: compiled code does what the original does, in the virtual machine.

#include "compile.h"
#include "object/dump.h"
#include "vm/vm.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace epass;
  fuzz::count();
  auto insns = object::parse_raw({data, size});
  if (!insns) return 0;
  auto program = object::split_flat(std::move(*insns), "fuzz");
  if (!program) return 0;
  auto changed = fuzz::compile(*program);
  if (changed.empty()) return 0;
  ++fuzz::valid;
  bpf::Program after = vm::with_code(*program, changed);
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    vm::Input input{.packet = std::vector<uint8_t>(64, uint8_t(seed)), .seed = seed, .budget = 2000};
    vm::Outcome a = vm::run(*program, bpf::FunctionId{0}, input),
                b = vm::run(after, bpf::FunctionId{0}, input);
    if (std::string why = vm::difference(a, b); !why.empty()) fuzz::finding("compiled code differs: " + why);
  }
  return 0;
}
