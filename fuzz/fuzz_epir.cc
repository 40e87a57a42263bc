// SSA text: what is printed reads back and prints the same; every valid function lowers or says why not.

#include "codegen/lower.h"
#include "fuzz.h"
#include "ir/text.h"
#include "ir/verify.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace epass;
  fuzz::count();
  auto module = parse({reinterpret_cast<const char*>(data), size});
  if (!module) return 0;
  ++fuzz::valid;
  std::string printed = print(*module);
  auto again = parse(printed);
  if (!again) fuzz::finding("the printed text is unreadable: " + again.error().message + "\n" + printed);
  if (print(*again) != printed) fuzz::finding("the printed text changes when read:\n" + printed);
  for (const Function& fn : module->functions)
    if (verify(fn)) (void)lower(fn, {});
  return 0;
}
