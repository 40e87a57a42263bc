#pragma once
// What `epass run --trace` and `--profile` show: each instruction with its effects, and where time goes.

#include <array>
#include <optional>

#include "driver/input.h"
#include "world/world.h"

namespace epass::tool {

// Fed with the state before each instruction, it tells the effects of the one before.
class Tracer {
 public:
  Tracer(const driver::CodeFile& file, world::World& world, vm::Machine& machine, uint32_t entry)
      : file_(file), world_(world), machine_(machine), entry_(entry) {}

  void before(uint32_t function, uint32_t insn, const uint64_t* registers);
  // The end: what the last instruction did is known only by the result.
  std::string finish();

 private:
  struct Step {
    uint32_t function = 0, insn = 0;
    std::array<uint64_t, 11> registers = {};
  };
  std::string effects(const Step& step, uint32_t function, uint32_t insn, const uint64_t* after);
  std::string memory_text(uint64_t address, uint32_t size);

  const driver::CodeFile& file_;
  world::World& world_;
  vm::Machine& machine_;
  uint32_t entry_;
  std::optional<Step> last_;
  std::string text_;
};

class Profile {
 public:
  explicit Profile(const driver::CodeFile& file) : file_(file) {}
  void before(uint32_t function, uint32_t insn, const uint64_t*);
  // Executed instructions by source line and by block, hottest first.
  std::string text() const;

 private:
  const driver::CodeFile& file_;
  std::vector<std::vector<uint64_t>> counts_;
};

}  // namespace epass::tool
