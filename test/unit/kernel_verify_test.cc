// Maps that the kernel wants in a certain way are made that way before a program is judged. Needs clang with
// the BPF target and the right to load programs; skips without them.

#include <gtest/gtest.h>

#include "kernel/load.h"
#include "run_epass.h"

namespace epass::test {
namespace {

constexpr const char* kSource = R"(typedef unsigned long long u64;
struct { int (*type)[24]; int (*map_flags)[1]; int *key; u64 *value; } of_sockets __attribute__((section(".maps")));
struct { int (*type)[2]; int *key; u64 *value; } without_size __attribute__((section(".maps")));
__attribute__((section("tc"))) int storage(void *ctx) {
  asm volatile("" : : "r"(&of_sockets), "r"(&without_size));
  return 0;
}
char _license[] __attribute__((section("license"))) = "GPL";
)";

TEST(KernelVerify, StorageMapsHaveNoEntriesAndArraysHaveOne) {
  if (std::string why = kernel::why_no_bpf(); !why.empty()) GTEST_SKIP() << why;
  ScratchDirectory dir;
  if (!compile_bpf(dir, kSource)) GTEST_SKIP() << "no clang with the BPF target";
  Outcome o = run_epass({"verify", "prog.o", "--json"}, "", dir.path());
  EXPECT_EQ(o.status, 0) << o.out << o.err;
  EXPECT_NE(o.out.find(R"("accepted":true)"), std::string::npos) << o.out;
}

}  // namespace
}  // namespace epass::test
