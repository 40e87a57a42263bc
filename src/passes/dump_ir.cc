// Writes the function as it is at this point of the pipeline, as `.epir` text that load-ir and `epass lower`
// read.
//
//     epass opt prog.o --passes 'O1,dump-ir(path=after.epir)'         all functions in one file
//     epass opt prog.o --passes 'O1,dump-ir(path=after/{}.epir)'      a file each
//
// Files are written once, at the end, and replace what was there; a function that comes by twice is there as
// it was the last time. Without a path the text goes where --print-after shows it.

#include "pass/pass.h"

namespace epass {

Result<Changed> dump_ir(Function& fn, PassContext& context) {
  if (!context.files.dump) return fail("ir-file", "`dump-ir` has no files to write to here");
  if (auto done = context.files.dump(context.option("path", "-"), fn); !done) return fail(done.error());
  return Changed::kNothing;
}

}  // namespace epass
