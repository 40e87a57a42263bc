// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Frames on the way down: some fit into one, all together do not.
#include "calls.h"

MAP(heap, 2, u32, u64, 4);

static noinline u64 leaf(u64 x) {
  u64 words[24];
  for (int i = 0; i < 24; ++i) words[i] = x + i;
  u32 key = x & 3;
  u64* value = map_lookup(&heap, &key);
  return value ? words[*value & 15 ? 3 : 5] + *value : words[7];
}

static noinline u64 middle(u64 x) {
  u64 words[12] = {x, x + 1};
  u32 key = 2;
  map_update(&heap, &key, words, 0);
  return leaf(words[1]) + words[0];
}

SEC("xdp") int deep(struct xdp_md* ctx) {
  u64 words[10] = {ctx->ingress_ifindex};
  u32 key = 1;
  map_update(&heap, &key, words, 0);
  return middle(words[0]) + leaf(3) > 9 ? 1 : 2;
}
