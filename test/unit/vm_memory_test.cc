// Regions of the virtual machine's memory.

#include <gtest/gtest.h>

#include "vm/memory.h"

namespace epass::vm {
namespace {

TEST(VmMemory, NothingMayBeReadAndWrittenAnywhere) {
  Memory memory(1);
  memory.add("region", 0x10000, std::vector<uint8_t>(8));
  memory.add("empty", 0x900000000, std::vector<uint8_t>());
  EXPECT_TRUE(memory.read(0x10004, nullptr, 0));
  EXPECT_TRUE(memory.write(0x10008, nullptr, 0));
  EXPECT_TRUE(memory.read(0x900000000, nullptr, 0));
}

TEST(VmMemory, AccessesStayInsideTheirRegion) {
  Memory memory(1);
  memory.add("region", 0x10000, std::vector<uint8_t>{1, 2, 3, 4, 5, 6, 7, 8});
  memory.add("constant", 0x900000000, std::vector<uint8_t>{9}, false);
  uint32_t word = 0;
  EXPECT_TRUE(memory.read(0x10004, &word, 4));
  EXPECT_EQ(word, 0x08070605u);
  EXPECT_FALSE(memory.read(0x10005, &word, 4));
  EXPECT_FALSE(memory.write(0x900000000, &word, 1));
}

}  // namespace
}  // namespace epass::vm
