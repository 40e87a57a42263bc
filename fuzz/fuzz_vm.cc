// Bare bytecode on both engines with checks: the same end, whatever the bytes are.

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
  if (!insns || insns->empty()) return 0;
  auto program = object::split_flat(std::move(*insns), "fuzz");
  if (!program) return 0;
  const vm::Executable executable(*program);
  for (const vm::Outside outside : {vm::Outside::kFault, vm::Outside::kForeign}) {
    const vm::Input input{
        .context = vm::Context::kSkb, .packet = std::vector<uint8_t>(64, 7), .budget = 2000};
    vm::Options options{.outside = outside};
    const vm::Outcome a = vm::run(executable, bpf::FunctionId{0}, input, options);
    options.engine = vm::Engine::kJit;
    const vm::Outcome b = vm::run(executable, bpf::FunctionId{0}, input, options);
    if (a.read_undefined || !b.note.empty()) continue;
    ++fuzz::valid;
    if (a.error != b.error) fuzz::finding("errors differ: " + a.error + " against " + b.error);
    if (a.executed != b.executed) fuzz::finding("the meters differ");
    if (std::string why = vm::difference(a, b); !why.empty()) fuzz::finding("compiled code differs: " + why);
  }
  return 0;
}
