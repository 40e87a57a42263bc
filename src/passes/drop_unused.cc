// Leaves out static functions that nothing leads to any more.
//
//     f: call g                     f: (the code of g)
//     g: ...                =>
//
// What is left out is found at the end, when the new code of all functions is known: a function that had to
// stay as it was still calls what it called.

#include "pass/pass.h"

namespace epass {

Result<Changed> drop_unused(Members& members, ModulePassContext&) {
  members.drops_unused = true;
  return Changed::kNothing;
}

}  // namespace epass
