// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A function whose address is taken, and that is called, too.
#include "calls.h"

struct state {
  u64 sum, limit;
};

static noinline u64 scaled(u64 x, u64 by) { return x * by + (x >> 3); }

static long step(u32 i, void* data) {
  struct state* state = data;
  state->sum += scaled(i, state->limit);
  return state->sum > 1000;
}

SEC("xdp") int repeat(struct xdp_md* ctx) {
  struct state state = {ctx->rx_queue_index, ctx->ingress_ifindex & 7};
  loop(20, step, &state, 0);
  step(3, &state);
  return scaled(state.sum, 2) & 1 ? 1 : 2;
}
