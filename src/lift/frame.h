#pragma once
#include "ir/function.h"

namespace epass {

// Bytes below the frame pointer that the function uses, a multiple of 8; 512 where an address is not
// constant. `slot` is the frame, and the addresses of its upper end are `slot_addr` with immediate 0.
uint32_t frame_bytes(const Function& fn, Slot slot);

}  // namespace epass
