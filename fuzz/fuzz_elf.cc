// Objects: read, compile every function, write. What was written must read again.

#include "compile.h"
#include "object/object.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace epass;
  fuzz::count();
  auto object = object::Object::parse({data, data + size}, "fuzz.o");
  if (!object) return 0;
  ++fuzz::valid;
  auto written = object->write(fuzz::compile(object->program()));
  if (!written) return 0;
  if (auto again = object::Object::parse(*written, "written.o"); !again)
    fuzz::finding("the written object is unreadable: " + again.error().message);
  return 0;
}
