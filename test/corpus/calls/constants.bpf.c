// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Arguments that are the same at all calls, arguments that nobody reads, results that nobody reads.
#include "calls.h"

MAP(log_map, 2, u32, u64, 16);
volatile u64 total;

static noinline long record(u32 where, u64 what, u32 level, u32 spare) {
  u32 key = where & 15;
  u64* value = map_lookup(&log_map, &key);
  if (!value || level > 3) return -1;
  *value += what * (level + 1);
  if (*value > 5) *value += 3;
  if (*value > 50) *value ^= what << 3;
  total += *value;
  return *value & 7;
}

SEC("xdp") int constants(struct xdp_md* ctx) {
  record(1, ctx->ingress_ifindex, 2, ctx->data);
  record(ctx->rx_queue_index, 9, 2, ctx->data_end);
  record(3, ctx->data_end - ctx->data, 2, 7);
  return 2;
}
