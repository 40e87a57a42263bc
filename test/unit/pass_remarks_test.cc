// What passes say they did not do, and why.

#include <gtest/gtest.h>

#include <algorithm>

#include "ir/text.h"
#include "pass/pipeline.h"
#include "passes/registry.h"

namespace epass {
namespace {

struct Case {
  const char *pass, *text;
  uint32_t insn;
  const char* reason;  // a part of it
};

constexpr Case kCases[] = {
    {"combine-loads", R"(function f xdp "xdp" entry {
b0(v0:r1):
  v1 = load.u8 v0+0 @0:r2
  v2 = load.u8 v0+1 @1:r3
  v3 = shl v2, 8 @2:r3
  v4 = or v1, v3 @3:r0
  return v4 @4
}
)",
     3, "alignment is not known"},
    {"merge-stores", R"(function f - "" {
  slot s0 8 at fp-8
b0:
  store.u8 s0+1, 1 @0
  store.u8 s0+2, 2 @1
  v0 = load.u64 s0+0 @2:r0
  return v0 @3
}
)",
     0, "alignment is not known"},
    {"merge-stores", R"(map m
function f - "" {
  slot s0 8 at fp-8
b0:
  store.u32 s0+0, 1 @0
  v0 = symbol m @1:r1
  v1 = slot_addr s0+0 @2:r2
  v2 = call bpf_map_delete_elem#3(v0, v1) @3:r0
  store.u32 s0+4, 1 @4
  v3 = load.u64 s0+0 @5:r0
  return v3 @6
}
)",
     4, "a call after its neighbour"},
    {"early-cse", R"(data .rodata
function f - "" {
b0:
  v0 = symbol .rodata @0:r6
  v1 = load.u32 v0+0 @1:r7
  v2 = call bpf_get_smp_processor_id#8() @2:r0
  v3 = load.u32 v0+0 @3:r8
  v4 = add v1, v3 @4:r0
  return v4 @5
}
)",
     3, "not kept across the call"},
    {"dead-stores", R"(map m
function f - "" {
  slot s0 8 at fp-8
b0:
  store.u64 s0+0, 1 @0
  v0 = symbol m @1:r1
  v1 = slot_addr s0+0 @2:r2
  v2 = call bpf_map_delete_elem#3(v0, v1) @3:r0
  return v2 @4
}
)",
     0, "a callee gets an address"},
    {"fold-offsets", R"(function f - "" {
b0(v0:r1):
  v1 = add v0, 16 @0:r2
  v2 = load.u32 v1+0 @1:r0
  v3 = add v1, v2 @2:r0
  return v3 @3
}
)",
     0, "needs the sum itself"},
    {"promote-slots", R"(function f - "" {
  slot s0 8 at fp-8
b0:
  store.u64 s0+0, 1 @0
  v0 = load.u32 s0+0 @1:r0
  return v0 @2
}
)",
     0, "the same slot"},
};

std::vector<PassRemark> remarks_of(const Case& c, bool listen) {
  auto module = parse(c.text);
  EXPECT_TRUE(module) << c.pass << ": " << module.error().message;
  if (!module) return {};
  auto stages = parse_pipeline(c.pass, {all_passes(), level_pipeline});
  EXPECT_TRUE(stages);
  std::vector<PassRemark> all;
  PassHooks hooks;
  if (listen)
    hooks.remarks = [&](const PassInfo& pass, std::vector<PassRemark>&& said) {
      EXPECT_EQ(pass.name, c.pass);
      all = std::move(said);
    };
  Counters counters;
  auto done = run_pipeline(module->functions[0], *stages, module->symbols, bpf::Isa::kV3, counters, hooks);
  EXPECT_TRUE(done);
  return all;
}

TEST(PassRemarks, SayWhatWasMissedAndWhy) {
  for (const Case& c : kCases) {
    const auto all = remarks_of(c, true);
    const bool said = std::ranges::any_of(all, [&](const PassRemark& r) {
      return r.kind == PassRemark::kMissed && r.insn == c.insn && !r.operation.empty() &&
             r.reason.find(c.reason) != std::string::npos;
    });
    EXPECT_TRUE(said) << c.pass << " at " << c.insn << ": " << c.reason;
    if (!said)
      for (const PassRemark& r : all) std::printf("  %u %s\n", r.insn, r.reason.c_str());
    EXPECT_TRUE(remarks_of(c, false).empty());
  }
}

}  // namespace
}  // namespace epass
