// Where regions lie: kinds never meet, however many there are of one.

#include <gtest/gtest.h>

#include "vm/places.h"
#include "vm/vm.h"

namespace epass::vm {
namespace {

TEST(VmPlaces, KindsDoNotMeet) {
  constexpr Base kKinds[] = {kMapHandleBase, kMapValueBase, kDataBase, kHeapBase, kFunctionBase, kStackBase};
  for (size_t k = 0; k + 1 < std::size(kKinds); ++k)
    for (uint64_t n : {0, 1, 511, 512, 513, 2047, 2048, 2049, 4096, 100'000}) {
      const uint64_t address = region_address(kKinds[k], n);
      for (uint64_t offset : {uint64_t{0}, uint64_t{0xffffffff}}) {
        for (size_t other = 0; other + 1 < std::size(kKinds); ++other)
          EXPECT_EQ(is_in(address + offset, kKinds[other], kKinds[other + 1]), other == k) << k << " " << n;
        EXPECT_EQ(region_number(kKinds[k], address + offset), n) << k;
      }
    }
}

// r6 = the last data symbol; what is written there outlives a reservation in a ring buffer.
TEST(VmPlaces, DataOfManySymbolsStaysApartFromTheHeap) {
  bpf::Program program;
  program.name = "test";
  for (int n = 0; n <= 2048; ++n) {
    bpf::Symbol symbol;
    symbol.kind = bpf::Symbol::Kind::kData, symbol.name = "d" + std::to_string(n);
    program.symbols.add(std::move(symbol));
  }
  bpf::Function fn{.name = "main", .section = "xdp"};
  using bpf::make_insn;
  constexpr uint8_t kMov = bpf::kAlu64 | bpf::kMov;
  fn.insns = {make_insn(bpf::kCodeLdImm64, 6, bpf::kMapValue, 0, 0),
              make_insn(0, 0, 0, 0, 0),
              make_insn(bpf::kSt | bpf::kMem | bpf::kW, 6, 0, 0, 7),
              make_insn(kMov, 1, 0, 0, 0),
              make_insn(kMov, 2, 0, 0, 8),
              make_insn(kMov, 3, 0, 0, 0),
              make_insn(bpf::kCodeCall, 0, 0, 0, 131),  // ringbuf_reserve
              make_insn(bpf::kLdx | bpf::kMem | bpf::kW, 0, 6, 0, 0),
              make_insn(bpf::kCodeExit, 0, 0, 0, 0)};
  fn.attachments = {{.insn = 0, .symbol = bpf::SymbolId{2048}}};
  fn.is_entry = true;
  program.functions.add(std::move(fn));
  for (uint64_t seed = 1; seed <= 16; ++seed) {
    const Outcome out = run(program, bpf::FunctionId{0}, {.seed = seed});
    EXPECT_EQ(out.error, "");
    EXPECT_EQ(out.r0, 7u) << "seed " << seed;
  }
}

}  // namespace
}  // namespace epass::vm
