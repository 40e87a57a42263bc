// Assembly text: what the disassembler makes of the code is assembled to the same code, and objects read
// back.

#include "bpf/assemble.h"
#include "bpf/conformance.h"
#include "fuzz.h"
#include "object/assembled.h"
#include "object/disassembly.h"
#include "object/object.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace epass;
  fuzz::count();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto test = bpf::read_conformance_case(text)) (void)bpf::program_of(*test);
  for (bpf::Dialect dialect : {bpf::Dialect::kLlvm, bpf::Dialect::kUbpf}) {
    auto assembly = bpf::assemble(text, dialect);
    if (!assembly) continue;
    ++fuzz::valid;
    if (auto bytes = object::object_of(*assembly)) {
      auto elf = object::read_elf(*bytes);
      if (!elf) fuzz::finding("the object made is unreadable: " + elf.error().message);
      (void)object::Object::parse(*bytes, "fuzz");
    }
    auto insns = bpf::flat_code(*assembly);
    if (!insns) continue;
    const std::string listing = object::disassembly(*insns, {}, "fuzz");
    if (listing.find("\t\t...\n") != listing.npos) continue;  // zeros at the end cannot be counted
    auto again = bpf::assemble(listing);
    if (!again) fuzz::finding("the listing is unreadable: " + again.error().message + "\n" + listing);
    auto same = bpf::flat_code(*again);
    if (!same || *same != *insns) fuzz::finding("the listing is another program:\n" + listing);
  }
  return 0;
}
