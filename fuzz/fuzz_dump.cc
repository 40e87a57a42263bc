// Text dumps: what is printed reads back as the same instructions.

#include "fuzz.h"
#include "object/dump.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace epass;
  fuzz::count();
  auto insns = object::parse_dump({reinterpret_cast<const char*>(data), size});
  if (!insns) return 0;
  ++fuzz::valid;
  auto again = object::parse_dump(object::print_dump(*insns));
  if (!again) fuzz::finding("the printed dump is unreadable: " + again.error().message);
  if (object::print_raw(*again) != object::print_raw(*insns)) fuzz::finding("the printed dump differs");
  return 0;
}
