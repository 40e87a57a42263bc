#pragma once
// What a program runs in when it is compared: context, maps and data as its object tells, everything else
// from the seed.

#include <string>

#include "bpf/program.h"
#include "object/object.h"
#include "vm/vm.h"

namespace epass::judge {

vm::Context context_of(const std::string& type);

// `object` may be null. Of maps, the sizes are known and the contents are not: lookups find or do not find as
// the seed says. Sections hold what the file says.
vm::Options options_of(const bpf::Program& program, const object::Object* object);

// Whether the input may decide what a data symbol holds at first: a loader may set variables.
bool is_writable_data(const bpf::Symbol& symbol);

// `b` with functions and symbols in the order of `a` where both have them, so that addresses and handles
// are the same in both.
bpf::Program aligned(const bpf::Program& a, const bpf::Program& b);

}  // namespace epass::judge
