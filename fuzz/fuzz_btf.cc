// Type information (.BTF) and the records beside it (.BTF.ext).

#include "fuzz.h"
#include "object/btf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace epass;
  fuzz::count();
  std::vector<uint8_t> bytes(data, data + size);
  if (auto ext = object::BtfExt::parse(bytes)) {
    ++fuzz::valid;
    std::vector<std::pair<uint64_t, uint32_t>> relocations;
    std::vector<uint8_t> printed = ext->print(&relocations);
    auto again = object::BtfExt::parse(printed);
    if (!again) fuzz::finding("printed records are unreadable: " + again.error().message);
    if (again->print(nullptr) != printed) fuzz::finding("printed records change when read");
  }
  auto btf = object::Btf::parse(bytes);
  if (!btf) return 0;
  ++fuzz::valid;
  for (uint32_t id = 0; id < btf->type_count() + 2; ++id) {
    std::string name(btf->type_name(id));
    btf->signature(id), btf->access_text(id, "0:1:2"), btf->map_members(name), btf->map_number(id, "type");
  }
  btf->variables();
  return 0;
}
