// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Two functions that are the same.
#include "calls.h"

static noinline u64 mix_a(u64 x, u64 y) {
  x ^= y << 7, x *= 0x9e3779b1, x ^= x >> 17, x += y, x *= 31, x ^= x << 5, x -= y >> 3;
  return x ^ x >> 9;
}
static noinline u64 mix_b(u64 x, u64 y) {
  x ^= y << 7, x *= 0x9e3779b1, x ^= x >> 17, x += y, x *= 31, x ^= x << 5, x -= y >> 3;
  return x ^ x >> 9;
}

SEC("xdp") int twins(struct xdp_md* ctx) {
  u64 a = mix_a(ctx->ingress_ifindex, 3), b = mix_b(ctx->rx_queue_index, a);
  return (mix_a(b, 4) + mix_b(a, b)) & 8 ? 1 : 2;
}
