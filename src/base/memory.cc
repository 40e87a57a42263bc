#include "base/memory.h"

#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace epass {

void keep_freed_memory() {
#ifdef __GLIBC__
  constexpr int kKept = 64 << 20, kOwnPages = 4 << 20;  // bytes: at the end of the heap; given back at once
  mallopt(M_TRIM_THRESHOLD, kKept);
  mallopt(M_MMAP_THRESHOLD, kOwnPages);
#endif
}

}  // namespace epass
