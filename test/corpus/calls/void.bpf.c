// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Functions without a result, and one that is called in a loop.
#include "calls.h"

MAP(cells, 2, u32, u64, 32);

static noinline void put(u32 key, u64 value) {
  key &= 31;
  u64* cell = map_lookup(&cells, &key);
  if (cell) *cell = value;
}
static noinline u64 get(u32 key) {
  key &= 31;
  u64* cell = map_lookup(&cells, &key);
  return cell ? *cell : 0;
}

SEC("xdp") int rotate(struct xdp_md* ctx) {
  u64 carry = ctx->ingress_ifindex;
#pragma clang loop unroll(disable)
  for (u32 i = 0; i < 8; ++i) {
    u64 old = get(i);
    put(i, carry);
    carry = old + i;
  }
  put(9, carry);
  return carry & 1 ? 1 : 2;
}
