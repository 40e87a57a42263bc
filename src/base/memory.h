#pragma once
// How the process deals with its memory.

namespace epass {

// Freed memory is kept for what comes next instead of being given back to the system, up to a bound: one
// function after another takes about the same. For the start of a program; libraries leave it to who uses
// them.
void keep_freed_memory();

}  // namespace epass
