#pragma once
// What the printer and the parser of `.epir` must agree on.

#include <string>
#include <string_view>

#include "ir/function.h"

namespace epass {

// By instruction: 1 if it is shown inside its user, as a number or a slot, and not on a line of its own.
SideTable<Inst, uint8_t> find_in_place(const Function& fn);

// `s0+4` as base of a load stands for a slot_addr with this immediate, and the load's offset makes up the
// difference: the frame pointer for a slot that ends there, else the slot's lowest byte.
constexpr int64_t slot_base_imm(const SlotData& slot) {
  return slot.place && slot.place == -static_cast<int64_t>(slot.size) ? static_cast<int64_t>(slot.size) : 0;
}

// Names other than identifiers stand in quotes.
std::string quoted_name(std::string_view name);
// Decimal where it is short, else hexadecimal.
std::string number_text(int64_t number);

}  // namespace epass
