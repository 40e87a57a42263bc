#pragma once
#include "codegen/machine.h"

namespace epass {

// Replaces a register that lost its register by parts: short registers that are reloaded from its place
// before they are read, or stored to it after they are written. Operands that can use a slot directly keep
// it.
class Spiller {
 public:
  explicit Spiller(MFunction& mf) : mf_(mf) {}
  // The new parts: without location, with live segments. `v` itself keeps only operands that need no
  // register.
  std::vector<VReg> split(VReg v);

 private:
  // Where `v` is read (even) and written (odd).
  std::vector<uint32_t> positions(VReg v) const;
  void use_parent(VReg part, uint32_t at);
  VReg add_part(VReg v, std::span<const uint32_t> positions);

  MFunction& mf_;
  std::vector<uint32_t> barriers_;  // instructions at which a stretch ends: block ends and calls
};

}  // namespace epass
