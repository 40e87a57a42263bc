// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Programs of two sections that call the same functions.
#include "calls.h"

MAP(state, 2, u32, u64, 8);

static noinline u64* slot(u32 key) {
  key &= 7;
  return map_lookup(&state, &key);
}
static noinline u64 add(u32 key, u64 by) {
  u64* value = slot(key);
  if (!value) return 0;
  __sync_fetch_and_add(value, by);
  return *value;
}

SEC("xdp") int one(struct xdp_md* ctx) { return add(ctx->rx_queue_index, 1) > 3 ? 1 : 2; }
SEC("xdp.frags") int two(struct xdp_md* ctx) { return add(ctx->ingress_ifindex, 2) > 3 ? 2 : 1; }
