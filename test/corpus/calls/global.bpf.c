// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Global functions stay; the static one that they share goes into both.
#include "calls.h"

static noinline u32 hash(u32 x) {
  x ^= x >> 16;
  x *= 0x45d9f3b;
  return x ^ x >> 13;
}

noinline int left(u32 x) { return hash(x) & 255; }
noinline int right(u32 x) { return hash(x + 1) >> 24; }

SEC("xdp") int both(struct xdp_md* ctx) {
  return left(ctx->ingress_ifindex) > right(ctx->rx_queue_index) ? 1 : 2;
}
