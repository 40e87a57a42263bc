// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A function that is called once, with a frame of its own.
#include "calls.h"

MAP(counts, 1, u64, u64, 64);

static noinline u64 bump(u64 flow, u32 bytes) {
  u64 key = flow & 63, one = bytes;
  u64* value = map_lookup(&counts, &key);
  if (value) return *value += bytes;
  map_update(&counts, &key, &one, 0);
  return 0;
}

SEC("xdp") int count(struct xdp_md* ctx) {
  u64 flow = ctx->ingress_ifindex * 7ull;
  return bump(flow, ctx->data_end - ctx->data) > 1000 ? 1 : 2;
}
