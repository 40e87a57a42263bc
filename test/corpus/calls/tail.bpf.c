// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A tail call in a function that stays a function.
#include "calls.h"

MAP(programs, 3, u32, u32, 4);

static noinline int next(struct xdp_md* ctx, u32 which) {
  tail_call(ctx, &programs, which);
  return 1;
}

static noinline u32 choose(struct xdp_md* ctx) { return ctx->rx_queue_index & 3; }

SEC("xdp") int dispatch(struct xdp_md* ctx) {
  int result = next(ctx, choose(ctx));
  return result == 1 ? 2 : result;
}
