#pragma once
#include "kernel/verify.h"
#include "object/object.h"

namespace epass::kernel {

// Objects that libbpf does not open (legacy maps): maps, relocations and subprograms by our own hands.
Result<std::vector<Verdict>> verify_direct(const object::Object& object, const std::string& name,
                                           const VerifyOptions& options);

// The types to try for a program in `section`.
std::vector<LoadType> candidate_types(const std::string& section, const std::string& forced);

}  // namespace epass::kernel
